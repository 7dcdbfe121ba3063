"""Raw to processed: every row that a batch read was used, or dropped for a reason that it counts."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import pyarrow as pa
import pyarrow.compute as pc

from stockpipe.auditor.findings import Finding, Period
from stockpipe.common.contracts.manifests import (
    DatasetName,
    ManifestDamaged,
    OffsetRange,
    ProcessedManifest,
    RawManifest,
    decode_processed,
)
from stockpipe.common.contracts.tables import DATASETS
from stockpipe.common.lake.manifests import processed_keys
from stockpipe.common.lake.processed_rows import BatchDamaged, file_schema, read_file
from stockpipe.common.lake.store import ObjectStore

WINDOW_MINUTES = 15


@dataclass
class DatasetBooks:
    """One dataset's account. `waiting` are raw records that no batch of the dataset read yet."""

    dataset: DatasetName
    batches: int = 0
    rows_in: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    rows_out: int = 0
    warehouse_rows: int = 0
    not_loaded: int = 0
    waiting: int = 0
    unaccounted: int = 0


@dataclass(frozen=True)
class Batch:
    """A processed batch with its rows; None where its files are damaged."""

    manifest: ProcessedManifest
    rows: pa.Table | None


class ProcessedHop:
    """Audits one dataset against the raw manifests of its topic."""

    def __init__(self, store: ObjectStore, dataset: DatasetName, raw: Sequence[RawManifest], period: Period) -> None:
        self._store = store
        self._dataset = dataset
        self._raw = raw
        self._period = period
        self.books = DatasetBooks(dataset)
        self.findings: list[Finding] = []
        self.batches: list[Batch] = []

    def audit(self) -> None:
        """Check every batch and what the batches cover together."""
        inputs: list[OffsetRange] = []
        for key in processed_keys(self._store, self._dataset):
            try:
                manifest = decode_processed(key, self._store.get(key))
            except ManifestDamaged as error:
                self._find(key, str(error), 1)
                continue
            inputs += manifest.inputs
            if self._period.includes(manifest.produced_at):
                self._audit_batch(key, manifest)
        if self._period.is_everything:
            self._audit_coverage(inputs)
        self.books.unaccounted = sum(finding.count for finding in self.findings)

    def _audit_batch(self, key: str, manifest: ProcessedManifest) -> None:
        books = self.books
        books.batches += 1
        books.rows_in += manifest.rows_in
        books.rows_out += manifest.rows_out
        books.dropped.update(manifest.rows_dropped or {})
        rows = self._read_rows(manifest)
        self.batches.append(Batch(manifest, rows))
        read = self._records_in(manifest.inputs)
        if read != manifest.rows_in:
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
        table = DATASETS[self._dataset].table
        batches: list[pa.RecordBatch] = []
        for file in manifest.files:
            try:
                batches += read_file(self._store, file, table)
            except BatchDamaged as error:
                subject, _colon, detail = str(error).partition(": ")
                self._find(subject, detail, max(1, file.rows))
                return None
        return pa.Table.from_batches(batches, file_schema(table))

    def _records_in(self, inputs: Iterable[OffsetRange]) -> int:
        if self._dataset == "realtime_live":
            # The stream reads Kafka itself: its rows are offsets, whatever the consumer makes of them.
            return sum(entry.end - entry.start for entry in inputs)
        return sum(
            manifest.records
            for entry in inputs
            for manifest in self._raw
            if manifest.partition == entry.partition and entry.start <= manifest.start and manifest.end <= entry.end
        )

    def _audit_coverage(self, inputs: Sequence[OffsetRange]) -> None:
        """Check that the stream left no offset out, and count what no batch read yet."""
        for partition in sorted({manifest.partition for manifest in self._raw}):
            raw = [manifest for manifest in self._raw if manifest.partition == partition]
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
