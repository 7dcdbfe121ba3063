"""Kafka to raw: every offset that was read is a raw row, a DLQ record, or was never delivered."""

import hashlib
import sys
from collections.abc import Sequence
from datetime import date

import pyarrow as pa

from stockpipe.auditor.offsets import PartitionOffsets, TopicOffsets
from stockpipe.auditor.period import Period
from stockpipe.auditor.recent import raw_manifest_keys
from stockpipe.common.contracts.books import Finding, PartitionBooks
from stockpipe.common.contracts.maintenance import RawRetention
from stockpipe.common.contracts.manifests import ManifestDamaged, RawManifest, RawObject, decode_raw
from stockpipe.common.contracts.topics import TopicKind
from stockpipe.common.lake import layout
from stockpipe.common.lake.raw_rows import OFFSET_COLUMN, PARTITION_COLUMN, decode_rows
from stockpipe.common.lake.retention import raw_retentions
from stockpipe.common.lake.store import ObjectMissing, ObjectStore


class RawHop:
    """Audits one topic; collects books and findings, and for the next hops the manifests and who was quoted when."""

    def __init__(self, store: ObjectStore, kind: TopicKind, offsets: TopicOffsets, period: Period) -> None:
        self._store = store
        self._kind = kind
        self._offsets = offsets
        self._period = period
        self.books: list[PartitionBooks] = []
        self.findings: list[Finding] = []
        self.manifests: list[RawManifest] = []
        self.retired: dict[int, RawRetention] = {}
        self.rows: list[pa.Table] = []

    def audit(self) -> None:
        """Check every partition."""
        found = self._read_manifests()
        # In this order: a manifest that is gone from the list above has its mark already.
        self.retired = {mark.partition: mark for mark in raw_retentions(self._store, self._offsets.topic)}
        self.manifests = [manifest for manifest in found if not self._is_retired(manifest)]
        for partition, offsets in sorted(self._offsets.partitions.items()):
            chain = [manifest for manifest in self.manifests if manifest.partition == partition]
            self.books.append(self._audit_partition(partition, offsets, chain))

    @property
    def _since(self) -> date | None:
        """Return the day to read manifests from: a daily batch reads bars of all times, a window quotes of its day."""
        return self._period.first if self._kind == "realtime" else None

    def known_from(self, partition: int) -> int:
        """Return the offset that `manifests` begin at; retention or the period may leave out older ones."""
        mark = self.retired.get(partition)
        retired = mark.end if mark else 0
        if self._since is None:
            return retired
        starts = (manifest.start for manifest in self.manifests if manifest.partition == partition)
        return max(retired, min(starts, default=sys.maxsize))

    def _read_manifests(self) -> list[RawManifest]:
        found = []
        for key in raw_manifest_keys(self._store, layout.raw_manifest_prefix(self._offsets.topic), self._since):
            try:
                found.append(decode_raw(key, self._store.get(key)))
            except ManifestDamaged as error:
                self._find(key, str(error), 1)
            except ObjectMissing:
                continue
        return found

    def _is_retired(self, manifest: RawManifest) -> bool:
        mark = self.retired.get(manifest.partition)
        return mark is not None and manifest.end <= mark.end

    def _audit_partition(
        self, partition: int, offsets: PartitionOffsets, chain: Sequence[RawManifest]
    ) -> PartitionBooks:
        books = PartitionBooks(self._offsets.topic, partition)
        mark = self.retired.get(partition)
        self._audit_chain(offsets, chain, mark, books)
        books.offsets = books.unaccounted = books.gap
        if mark and self._period.is_everything:
            self._audit_mark(mark, books)
        for manifest in chain:
            if self._period.includes(manifest.written_at):
                self._audit_manifest(manifest, books)
        begins = mark.end if mark else offsets.committed or offsets.low
        done = max([manifest.end for manifest in chain], default=begins)
        books.waiting = max(0, offsets.high - max(done, offsets.committed or 0))
        return books

    def _audit_mark(self, mark: RawRetention, books: PartitionBooks) -> None:
        books.retired = mark.end - mark.start
        books.offsets += books.retired
        claimed = mark.records + mark.rejected + mark.skipped
        if claimed != books.retired:
            subject = f"{mark.topic} partition {mark.partition}"
            detail = f"retention removed {books.retired} offsets up to {mark.end - 1}, but claims {claimed} records"
            self._find(subject, detail, abs(claimed - books.retired))
            books.unaccounted += abs(claimed - books.retired)

    def _audit_chain(
        self, offsets: PartitionOffsets, chain: Sequence[RawManifest], mark: RawRetention | None, books: PartitionBooks
    ) -> None:
        """Find where manifests don't follow each other."""
        if self._period.is_everything and mark:
            expected = mark.end
        elif self._period.is_everything:
            expected = min(offsets.low, chain[0].start) if chain else offsets.low
        elif chain:
            expected = chain[0].start
        else:
            return
        for manifest in chain:
            key = layout.raw_manifest(manifest.topic, manifest.partition, manifest.start)
            if manifest.start > expected:
                self._find_gap(books.partition, expected, manifest.start, f"before {key}")
                books.gap += manifest.start - expected
            elif manifest.start < expected:
                books.overlap += expected - manifest.start
                self._find(key, f"overlaps the manifest before it, which ends at {expected}", expected - manifest.start)
            expected = max(expected, manifest.end)
        if self._period.last is None and offsets.committed is not None and offsets.committed > expected:
            self._find_gap(books.partition, expected, offsets.committed, "although the consumer committed them")
            books.gap += offsets.committed - expected

    def _audit_manifest(self, manifest: RawManifest, books: PartitionBooks) -> None:
        key = layout.raw_manifest(manifest.topic, manifest.partition, manifest.start)
        covered = manifest.end - manifest.start
        claimed = manifest.records + manifest.rejected + manifest.skipped
        if claimed != covered:
            self._find(key, f"covers {covered} offsets, but claims {claimed} records", abs(claimed - covered))
        landed = [self._audit_object(manifest, entry) for entry in manifest.objects]
        rows = sum(map(len, landed))
        listed = sum(entry.rows for entry in manifest.objects)
        if listed != manifest.records:
            self._find(
                key, f"claims {manifest.records} rows, its objects list {listed}", abs(manifest.records - listed)
            )
        # A letter of a flush that died before its manifest isn't one if a mended consumer took the record afterwards.
        dead = self._offsets.dead.get(manifest.partition, set()).difference(*landed)
        rejected = sum(manifest.start <= offset < manifest.end for offset in dead)
        if rejected != manifest.rejected:
            if self._offsets.dlq_complete:
                detail = f"claims {manifest.rejected} rejected records, the DLQ holds {rejected}"
                self._find(key, detail, abs(manifest.rejected - rejected))
            else:
                rejected = manifest.rejected
        books.offsets += covered
        books.raw_rows += rows
        books.rejected += rejected
        books.skipped += manifest.skipped
        books.unaccounted += abs(covered - rows - rejected - manifest.skipped)

    def _audit_object(self, manifest: RawManifest, entry: RawObject) -> set[int]:
        """Return the offsets of the object's good rows."""
        try:
            data = self._store.get(entry.key)
        except ObjectMissing:
            self._find(entry.key, "is missing, a manifest lists it", entry.rows)
            return set()
        if hashlib.sha256(data).hexdigest() != entry.sha256:
            self._find(entry.key, "was changed: its sha256 isn't the manifest's", entry.rows)
            return set()
        try:
            table = decode_rows(self._kind, entry.key, data)
        except pa.ArrowException as error:
            self._find(entry.key, f"can't be read: {error}", entry.rows)
            return set()
        if table.num_rows != entry.rows:
            detail = f"holds {table.num_rows} rows, its manifest says {entry.rows}"
            self._find(entry.key, detail, abs(table.num_rows - entry.rows))
        places = zip(table[PARTITION_COLUMN].to_pylist(), table[OFFSET_COLUMN].to_pylist(), strict=True)
        inside = {
            offset
            for partition, offset in places
            if partition == manifest.partition and manifest.start <= offset < manifest.end
        }
        if len(inside) != table.num_rows:
            detail = "holds rows twice, or of offsets outside its manifest"
            self._find(entry.key, detail, table.num_rows - len(inside))
        if self._kind == "realtime":
            self.rows.append(table.select(["symbol", "event_time", "source", PARTITION_COLUMN, OFFSET_COLUMN]))
        return inside

    def _find_gap(self, partition: int, start: int, end: int, where: str) -> None:
        subject = f"{self._offsets.topic} partition {partition}"
        self._find(subject, f"offsets {start} to {end - 1} have no manifest {where}", end - start)

    def _find(self, subject: str, detail: str, count: int) -> None:
        self.findings.append(Finding("kafka-raw", subject, detail, count))
