"""Compaction: the small files of many batches of a closed day become few.

Manifests stay as they are: a batch keeps its identity, and a record says where its rows lie now. Its files are removed
later, as objects that nothing needs any more.
"""

import hashlib
import io
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby

import pyarrow as pa
import pyarrow.parquet as pq

from stockpipe.auditor.maintenance.progress import Progress
from stockpipe.auditor.maintenance.report import Compacted
from stockpipe.common.contracts.maintenance import CompactedBatch, Compaction
from stockpipe.common.contracts.manifests import (
    DatasetName,
    ProcessedFile,
    ProcessedManifest,
    decode_processed,
    encode,
)
from stockpipe.common.contracts.tables import DATASETS
from stockpipe.common.errors import PipelineError
from stockpipe.common.ids import Entropy, batch_day
from stockpipe.common.lake import layout
from stockpipe.common.lake.batch_rows import compactions
from stockpipe.common.lake.manifests import processed_keys
from stockpipe.common.lake.processed_rows import BATCH_ROWS, BatchDamaged, file_schema, read_file
from stockpipe.common.lake.store import ObjectExists, ObjectMissing, ObjectStore
from stockpipe.common.times import to_text

FILE_ROWS = 500_000
"""Rows after which a compacted file ends; the most that is held in memory is this and one batch."""
SMALL_BYTES = 8 * 2**20
"""A batch whose files are larger than this on average stays as it is."""


class CompactionWrong(PipelineError):
    """A compacted file doesn't hold the rows it was made of; no record was written, so nobody reads it."""


@dataclass
class Compactor:
    """Compacts loaded batches of one dataset whose ids begin with a day before `before`."""

    store: ObjectStore
    dataset: DatasetName
    loaded: Collection[str]
    before: date
    now: datetime
    entropy: Entropy
    progress: Progress

    def run(self, apply: bool, damaged: list[str]) -> Iterator[Compacted]:
        """Compact day by day and yield what was done; without `apply` only tell.

        What is wrong with batches that can't be read is added to `damaged`; they stay as they are.

        Raises:
            ManifestDamaged: a manifest or record can't be read.
            CompactionWrong: the result isn't what went in.
        """
        keys = self.progress.over(f"compaction of {self.dataset}", processed_keys(self.store, self.dataset))
        for day, group in groupby(keys, key=_day):
            if day >= self.before:
                return
            batches = list(self._small(day, group))
            parts = list(_parts(batches))
            files = sum(len(batch.files) for batch in batches)
            if files <= len(parts):
                continue
            into = self._compact(day, parts, damaged) if apply else len(parts)
            size = sum(file.bytes for batch in batches for file in batch.files)
            yield Compacted(self.dataset, day.isoformat(), len(batches), files, size, into)

    def _small(self, day: date, keys: Iterable[str]) -> Iterator[ProcessedManifest]:
        done = {
            batch.batch_id for _key, record in compactions(self.store, self.dataset, day) for batch in record.batches
        }
        for key in keys:
            batch_id = layout.batch_of_manifest(key)
            if batch_id in done or batch_id not in self.loaded:
                continue
            try:
                manifest = decode_processed(key, self.store.get(key))
            except ObjectMissing:
                continue
            size = sum(file.bytes for file in manifest.files)
            if manifest.files and size < SMALL_BYTES * len(manifest.files):
                yield manifest

    def _compact(self, day: date, parts: list[list[ProcessedManifest]], damaged: list[str]) -> int:
        """Write the files, then the record that makes them count; return how many files there are."""
        names = [manifest.batch_id for part in parts for manifest in part]
        name = hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]
        suffix = self.entropy()
        places: list[CompactedBatch] = []
        files: list[ProcessedFile] = []
        for part in parts:
            tables = list(self._tables(part, damaged))
            if not tables:
                continue
            key = layout.compacted_file(self.dataset, day, name, suffix, len(files))
            first = 0
            for batch_id, rows in tables:
                place = CompactedBatch(batch_id=batch_id, file=len(files), first=first, rows=rows.num_rows)
                places.append(place)
                first += rows.num_rows
            files.append(self._write(key, tables))
        if not files:
            return 0
        record = Compaction(dataset=self.dataset, batches=places, files=files, compacted_at=to_text(self.now))
        # If another run was first, nothing lists our files.
        with suppress(ObjectExists):
            self.store.create(f"{layout.compaction_prefix(self.dataset, day)}{name}.json", encode(record))
        return len(files)

    def _tables(self, part: list[ProcessedManifest], damaged: list[str]) -> Iterator[tuple[str, pa.Table]]:
        table = DATASETS[self.dataset].table
        for manifest in self.progress.over(f"compaction of {self.dataset}, batches", part):
            try:
                batches = [batch for file in manifest.files for batch in read_file(self.store, file, table)]
            except BatchDamaged as error:
                damaged.append(str(error))
                continue
            rows = pa.Table.from_batches(batches, file_schema(table))
            if rows.num_rows != manifest.rows_out or set(rows["batch_id"].unique().to_pylist()) - {manifest.batch_id}:
                damaged.append(f"batch {manifest.batch_id}: its files hold other rows than its manifest says")
            else:
                yield manifest.batch_id, rows

    def _write(self, key: str, tables: list[tuple[str, pa.Table]]) -> ProcessedFile:
        """Write one file, read it back from the store and compare row by row."""
        rows = pa.concat_tables([table for _batch, table in tables])
        buffer = io.BytesIO()
        texts = [field.name for field in rows.schema if pa.types.is_string(field.type)]
        pq.write_table(rows, buffer, compression="zstd", use_dictionary=texts, row_group_size=BATCH_ROWS)
        self.store.create(key, buffer.getvalue())
        file = ProcessedFile(key=key, rows=rows.num_rows, bytes=buffer.getbuffer().nbytes)
        found = pa.Table.from_batches(read_file(self.store, file, DATASETS[self.dataset].table), rows.schema)
        if not _bits(found).equals(_bits(rows)):
            raise CompactionWrong(f"{key} doesn't hold the rows it was made of; nothing was replaced. Run again")
        return file


def _day(key: str) -> date:
    return batch_day(layout.batch_of_manifest(key))


def _parts(batches: Iterable[ProcessedManifest]) -> Iterator[list[ProcessedManifest]]:
    """Yield the batches of each file to be."""
    part: list[ProcessedManifest] = []
    for batch in batches:
        part.append(batch)
        if sum(each.rows_out for each in part) >= FILE_ROWS:
            yield part
            part = []
    if part:
        yield part


def _bits(rows: pa.Table) -> pa.Table:
    """Return the rows with floating-point numbers as their bits: NaN isn't equal to itself."""
    columns = [
        column.combine_chunks().view(pa.int64()) if pa.types.is_float64(column.type) else column.combine_chunks()
        for column in rows.columns
    ]
    return pa.table(columns, names=rows.column_names)
