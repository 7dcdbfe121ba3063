"""The rows of a batch on their way to the warehouse: in pieces, or as one local Parquet file."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

import pyarrow as pa
import pyarrow.parquet as pq

from stockpipe.common.contracts.manifests import ProcessedManifest
from stockpipe.common.contracts.tables import DATASETS, Table
from stockpipe.common.errors import ConfigError, Unavailable
from stockpipe.common.lake.batch_rows import BatchRows
from stockpipe.common.lake.processed_rows import BATCH_ROWS, BatchDamaged, file_schema
from stockpipe.common.lake.store import ObjectStore


@dataclass(frozen=True)
class Incoming:
    """A batch in the lake; `scratch` is where its file is made, by default the system's folder for temporary files."""

    store: ObjectStore
    manifest: ProcessedManifest
    scratch: Path | None = None

    @property
    def table(self) -> Table:
        """Return the table that the batch is for."""
        return DATASETS[self.manifest.dataset].table

    def pieces(self) -> Iterator[pa.Table]:
        """Yield all rows, with exactly the columns of the table, in pieces of at least BATCH_ROWS but for the last.

        A thread makes the next piece while the caller works on the last: memory is bounded by three pieces and the
        largest file. Columns are nullable here even where the table's aren't: the checks report nulls.

        Raises:
            BatchDamaged: a file is missing, has another size or row count, can't be read or lacks a required column;
                or at the end, the rows aren't as many as the manifest says.
        """
        made = self._make_pieces()
        with ThreadPoolExecutor(1, "pieces") as thread:
            coming = thread.submit(next, made, None)
            while (piece := coming.result()) is not None:
                coming = thread.submit(next, made, None)
                yield piece

    def _make_pieces(self) -> Iterator[pa.Table]:
        schema = file_schema(self.table)
        rows = given = 0
        waiting: list[pa.RecordBatch] = []
        for batch in BatchRows(self.store, self.manifest.dataset).read(self.manifest):
            rows += batch.num_rows
            waiting.append(batch)
            if rows - given >= BATCH_ROWS:
                yield pa.Table.from_batches(waiting, schema).combine_chunks()
                waiting, given = [], rows
        if waiting:
            yield pa.Table.from_batches(waiting, schema).combine_chunks()
        if rows != self.manifest.rows_out:
            raise BatchDamaged(
                f"batch {self.manifest.batch_id} of {self.manifest.dataset}: manifest expects {self.manifest.rows_out} "
                f"rows in all, its files list {rows}"
            )

    @contextmanager
    def file(self) -> Iterator[Path]:
        """Give one Parquet file with what `pieces` yields; removed at the end.

        Raises:
            BatchDamaged: as `pieces`.
            ConfigError: the scratch folder can't be written.
            Unavailable: the scratch folder is full.
        """
        try:
            folder = TemporaryDirectory(prefix="stockpipe-loader-", dir=self.scratch)
        except OSError as error:
            raise ConfigError(f"STAGING_FOLDER={str(self.scratch or gettempdir())!r}: {error.strerror}") from error
        with folder:
            path = Path(folder.name) / f"{self.manifest.batch_id}.parquet"
            self._write(path)
            yield path

    def _write(self, path: Path) -> None:
        schema = file_schema(self.table)
        texts = [field.name for field in schema if pa.types.is_string(field.type)]
        try:
            with pq.ParquetWriter(path, schema, compression="snappy", use_dictionary=texts) as writer:
                for piece in self.pieces():
                    writer.write_table(piece)
        except OSError as error:
            raise Unavailable(f"staging file {path}: {error.strerror or error}; free space or mend the disk") from error
