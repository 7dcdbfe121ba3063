"""The rows of a processed batch, wherever compaction has put them: the one way to read them."""

from collections.abc import Iterator
from datetime import date

import pyarrow as pa

from stockpipe.common.contracts.maintenance import CompactedBatch, Compaction, decode_record
from stockpipe.common.contracts.manifests import DatasetName, ProcessedFile, ProcessedManifest
from stockpipe.common.contracts.tables import DATASETS
from stockpipe.common.ids import batch_day
from stockpipe.common.lake import layout
from stockpipe.common.lake.processed_rows import BatchDamaged, file_schema, read_file
from stockpipe.common.lake.store import ObjectMissing, ObjectStore


def compactions(store: ObjectStore, dataset: DatasetName, day: date) -> Iterator[tuple[str, Compaction]]:
    """Yield key and content of the compaction records of batches of one day.

    Raises:
        ManifestDamaged: one can't be read.
    """
    for info in store.list(layout.compaction_prefix(dataset, day)):
        try:
            yield info.key, decode_record(info.key, store.get(info.key), Compaction)
        except ObjectMissing:
            continue  # retention has removed all its batches meanwhile


class BatchRows:
    """Reads batches of one dataset. Fast if batches come in order of their ids: it holds one day and one file."""

    def __init__(self, store: ObjectStore, dataset: DatasetName) -> None:
        self._store = store
        self._dataset = dataset
        self._table = DATASETS[dataset].table
        self._day: date | None = None
        self._places: dict[str, tuple[str, Compaction, CompactedBatch]] = {}
        self._file: tuple[str, pa.Table] | None = None

    def read(self, manifest: ProcessedManifest) -> Iterator[pa.RecordBatch]:
        """Yield the batch's rows with the columns and types of `file_schema(table)`, always in the same order.

        Raises:
            BatchDamaged: a file is missing, has another size or row count, can't be read or lacks a required column.
        """
        place = self._place(manifest.batch_id)
        if place is None:
            for file in manifest.files:
                yield from read_file(self._store, file, self._table)
            return
        key, compaction, batch = place
        rows = self._rows_of(compaction.files[batch.file]).slice(batch.first, batch.rows)
        if rows.num_rows != batch.rows or set(rows["batch_id"].unique().to_pylist()) - {manifest.batch_id}:
            raise BatchDamaged(f"{key}: rows {batch.first} and on of its file aren't those of batch {batch.batch_id}")
        yield from rows.to_batches()

    def keys(self, manifest: ProcessedManifest) -> list[str]:
        """Return every key that reading the batch may need."""
        place = self._place(manifest.batch_id)
        compacted = [place[0], *(file.key for file in place[1].files)] if place else []
        return [*(file.key for file in manifest.files), *compacted]

    def _place(self, batch_id: str) -> tuple[str, Compaction, CompactedBatch] | None:
        day = batch_day(batch_id)
        if day != self._day:
            found = compactions(self._store, self._dataset, day)
            places = [(key, compaction, batch) for key, compaction in found for batch in compaction.batches]
            # Two that ran at once may both have a batch; the rows are the same, the first record counts.
            self._places = {place[2].batch_id: place for place in reversed(places)}
            self._day = day
        return self._places.get(batch_id)

    def _rows_of(self, file: ProcessedFile) -> pa.Table:
        if self._file is None or self._file[0] != file.key:
            batches = read_file(self._store, file, self._table)
            self._file = file.key, pa.Table.from_batches(batches, file_schema(self._table))
        return self._file[1]
