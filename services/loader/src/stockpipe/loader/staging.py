"""Fetches the files of a batch and rewrites them as one local Parquet file with the columns of its table."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

import pyarrow as pa
import pyarrow.parquet as pq

from stockpipe.common.contracts.manifests import ProcessedManifest
from stockpipe.common.contracts.tables import Table
from stockpipe.common.errors import ConfigError, Unavailable
from stockpipe.common.lake.batch_rows import BatchRows
from stockpipe.common.lake.processed_rows import BATCH_ROWS, BatchDamaged, file_schema
from stockpipe.common.lake.store import ObjectStore


@contextmanager
def staged_file(
    store: ObjectStore, manifest: ProcessedManifest, table: Table, scratch: Path | None = None
) -> Iterator[Path]:
    """Give one Parquet file with all rows of the batch and exactly the columns of `table`; removed at the end.

    `scratch` is the folder it is made in, by default the system's for temporary files. Memory stays bounded by the
    largest single file of the batch. Columns are nullable here even where the table's aren't: the checks report nulls.

    Raises:
        BatchDamaged: a file is missing, has another size or row count, can't be read or lacks a required column.
        ConfigError: the scratch folder can't be written.
        Unavailable: the scratch folder is full.
    """
    try:
        folder = TemporaryDirectory(prefix="stockpipe-loader-", dir=scratch)
    except OSError as error:
        raise ConfigError(f"STAGING_FOLDER={str(scratch or gettempdir())!r}: {error.strerror}") from error
    with folder:
        path = Path(folder.name) / f"{manifest.batch_id}.parquet"
        rows = _write(path, store, manifest, table)
        if rows != manifest.rows_out:
            raise BatchDamaged(
                f"batch {manifest.batch_id} of {manifest.dataset}: manifest expects {manifest.rows_out} rows in all, "
                f"its files list {rows}"
            )
        yield path


def _write(path: Path, store: ObjectStore, manifest: ProcessedManifest, table: Table) -> int:
    schema = file_schema(table)
    texts = [field.name for field in schema if pa.types.is_string(field.type)]
    rows = written = 0
    waiting: list[pa.RecordBatch] = []
    try:
        with pq.ParquetWriter(path, schema, compression="snappy", use_dictionary=texts) as writer:
            for batch in BatchRows(store, manifest.dataset).read(manifest):
                rows += batch.num_rows
                waiting.append(batch)
                if rows - written >= BATCH_ROWS:
                    writer.write_table(pa.Table.from_batches(waiting, schema))
                    waiting, written = [], rows
            writer.write_table(pa.Table.from_batches(waiting, schema))
    except OSError as error:
        raise Unavailable(f"staging file {path}: {error.strerror or error}; free space or mend the disk") from error
    return rows
