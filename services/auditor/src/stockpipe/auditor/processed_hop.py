"""Raw to processed: every row that a batch read was used, or dropped for a reason that it counts."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

import pyarrow as pa
import pyarrow.compute as pc

from stockpipe.auditor.period import Period
from stockpipe.auditor.raw_hop import RawHop
from stockpipe.auditor.recent import MARGIN
from stockpipe.common.contracts.books import DatasetBooks, Finding
from stockpipe.common.contracts.maintenance import BatchRetention
from stockpipe.common.contracts.manifests import (
    DatasetName,
    ManifestDamaged,
    OffsetRange,
    ProcessedManifest,
    decode_processed,
)
from stockpipe.common.contracts.tables import DATASETS
from stockpipe.common.lake.batch_rows import BatchRows
from stockpipe.common.lake.manifests import processed_keys
from stockpipe.common.lake.processed_rows import BatchDamaged, file_schema
from stockpipe.common.lake.retention import batch_retention
from stockpipe.common.lake.store import ObjectMissing, ObjectStore

WINDOW_MINUTES = 15


@dataclass(frozen=True)
class Batch:
    """A processed batch with its rows; None where its files are damaged."""

    manifest: ProcessedManifest
    rows: pa.Table | None


class ProcessedHop:
    """Audits one dataset against the raw manifests of its topic."""

    def __init__(self, store: ObjectStore, dataset: DatasetName, raw: RawHop, period: Period) -> None:
        self._store = store
        self._dataset = dataset
        self._raw = raw
        self._period = period
        self._rows = BatchRows(store, dataset)
        self.retired: BatchRetention | None = None
        self.books = DatasetBooks(dataset)
        self.findings: list[Finding] = []
        self.batches: list[Batch] = []

    def audit(self) -> None:
        """Check every batch and what the batches cover together."""
        period = self._period
        manifests = dict(self._read_manifests(period.first - MARGIN if period.first else None))
        # In this order: a manifest that is gone from the list above has its mark already.
        self.retired = batch_retention(self._store, self._dataset)
        inputs: list[OffsetRange] = []
        if self.retired and period.is_everything:
            inputs += self.retired.inputs
            self.books.retired = self.retired.batches
        removed = set(self.retired.removed) if self.retired else set()
        for key, manifest in manifests.items():
            if manifest.batch_id in removed:
                continue
            inputs += manifest.inputs
            if period.includes(manifest.produced_at):
                self._audit_batch(key, manifest)
        if period.last is None:
            self._audit_coverage(inputs)
        self.books.unaccounted = sum(finding.count for finding in self.findings)

    def _read_manifests(self, since: date | None) -> Iterator[tuple[str, ProcessedManifest]]:
        for key in processed_keys(self._store, self._dataset, since):
            try:
                yield key, decode_processed(key, self._store.get(key))
            except ManifestDamaged as error:
                self._find(key, str(error), 1)
            except ObjectMissing:
                continue

    def _audit_batch(self, key: str, manifest: ProcessedManifest) -> None:
        books = self.books
        books.batches += 1
        books.rows_in += manifest.rows_in
        books.rows_out += manifest.rows_out
        for reason, count in (manifest.rows_dropped or {}).items():
            books.dropped[reason] = books.dropped.get(reason, 0) + count
        rows = self._read_rows(manifest)
        self.batches.append(Batch(manifest, rows))
        read = self._records_in(manifest.inputs)
        if read is not None and read != manifest.rows_in:
            detail = f"says it read {manifest.rows_in} rows, the raw manifests of its offsets hold {read}"
            self._find(key, detail, abs(read - manifest.rows_in))
        if rows is None:
            return
        if rows.num_rows != manifest.rows_out:
            detail = f"says {manifest.rows_out} rows, its files hold {rows.num_rows}"
            self._find(key, detail, abs(rows.num_rows - manifest.rows_out))
        if manifest.rows_dropped is not None:
            used = manifest.rows_in - sum(manifest.rows_dropped.values())
            shown = _rows_shown(self._dataset, rows)
            if used != shown:
                self._find(key, f"used {used} input rows, its output accounts for {shown}", abs(used - shown))

    def _read_rows(self, manifest: ProcessedManifest) -> pa.Table | None:
        try:
            batches = list(self._rows.read(manifest))
        except BatchDamaged as error:
            subject, _colon, detail = str(error).partition(": ")
            self._find(subject, detail, max(1, manifest.rows_out))
            return None
        return pa.Table.from_batches(batches, file_schema(DATASETS[self._dataset].table))

    def _records_in(self, inputs: Iterable[OffsetRange]) -> int | None:
        """Return how many rows the offsets hold, None if retention or the period leaves some of them out."""
        if self._dataset == "realtime_live":
            # The stream reads Kafka itself: its rows are offsets, whatever the consumer makes of them.
            return sum(entry.end - entry.start for entry in inputs)
        if any(entry.start < self._raw.known_from(entry.partition) for entry in inputs):
            return None
        return sum(
            manifest.records
            for entry in inputs
            for manifest in self._raw.manifests
            if manifest.partition == entry.partition and entry.start <= manifest.start and manifest.end <= entry.end
        )

    def _audit_coverage(self, inputs: Sequence[OffsetRange]) -> None:
        """Check that the stream left no offset out, and count what no batch read yet."""
        landed = [manifest for manifest in self._raw.manifests if self._period.includes(manifest.written_at)]
        for partition in sorted({manifest.partition for manifest in landed}):
            raw = [manifest for manifest in landed if manifest.partition == partition]
            ranges = sorted((entry.start, entry.end) for entry in inputs if entry.partition == partition)
            covered = _union(ranges)
            self.books.waiting += sum(
                manifest.records
                for manifest in raw
                if not any(start <= manifest.start and manifest.end <= end for start, end in covered)
            )
            if self._dataset != "realtime_live":
                continue
            subject = f"{raw[0].topic} partition {partition}"
            for (_start, end), (following, _end) in pairwise(covered):
                detail = f"offsets {end} to {following - 1} are in no batch of the stream"
                self._find(subject, detail, following - end)
            twice = sum(end - start for start, end in ranges) - sum(end - start for start, end in covered)
            if twice:
                self._find(subject, f"{twice} offsets are in two batches of the stream", twice)

    def _find(self, subject: str, detail: str, count: int) -> None:
        self.findings.append(Finding("raw-processed", subject, detail, count))


def _rows_shown(dataset: DatasetName, rows: pa.Table) -> int:
    """Return how many input rows the output accounts for: a daily row is one bar; windows on the 15-minute grid
    split time without overlap, so their counts add up to the quotes."""
    if dataset == "daily":
        return int(rows.num_rows)
    minutes = pc.minute(rows["window_start"])
    off_grid = pc.subtract(minutes, pc.multiply(pc.divide(minutes, WINDOW_MINUTES), WINDOW_MINUTES))
    counted = pc.sum(rows.filter(pc.equal(off_grid, 0))["record_count_15m"]).as_py()
    return int(counted or 0)


def _union(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Merge sorted ranges that touch or overlap."""
    merged: list[tuple[int, int]] = []
    for start, end in ranges:
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged
