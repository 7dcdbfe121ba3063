"""Fetches the files of a batch and rewrites them as one local Parquet file with the columns of its table."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

import pyarrow as pa
import pyarrow.parquet as pq

from stockpipe.common.contracts.manifests import ProcessedFile, ProcessedManifest
from stockpipe.common.contracts.tables import Table
from stockpipe.common.errors import ConfigError, PipelineError, Unavailable
from stockpipe.common.lake.layout import symbol_of
from stockpipe.common.lake.store import ObjectMissing, ObjectStore

_GROUP_ROWS = 122_880
"""Rows of a row group of the staged file; DuckDB's own size, so that each becomes one piece of work."""


class BatchDamaged(PipelineError):
    """A batch's files aren't what its manifest and contract say."""


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
    schema = _nullable(table.arrow_schema)
    texts = [field.name for field in schema if pa.types.is_string(field.type)]
    rows = written = 0
    waiting: list[pa.RecordBatch] = []
    try:
        with pq.ParquetWriter(path, schema, compression="snappy", use_dictionary=texts) as writer:
            for file in manifest.files:
                for batch in _batches(store, file, table, schema):
                    rows += batch.num_rows
                    waiting.append(batch)
                    if rows - written >= _GROUP_ROWS:
                        writer.write_table(pa.Table.from_batches(waiting, schema))
                        waiting, written = [], rows
            writer.write_table(pa.Table.from_batches(waiting, schema))
    except OSError as error:
        raise Unavailable(f"staging file {path}: {error.strerror or error}; free space or mend the disk") from error
    return rows


def _batches(store: ObjectStore, file: ProcessedFile, table: Table, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yield the rows of one file with the columns and types of `schema`."""
    data = _fetch(store, file)
    try:
        parquet = pq.ParquetFile(io.BytesIO(data), coerce_int96_timestamp_unit="us")
        if parquet.metadata.num_rows != file.rows:
            raise BatchDamaged(f"{file.key}: expected {file.rows} rows, found {parquet.metadata.num_rows}")
        present = [name for name in schema.names if name in parquet.schema_arrow.names]
        filled = {} if "symbol" in present else _from_path(file.key)
        _refuse_missing(file.key, table, {*present, *filled})
        for batch in parquet.iter_batches(batch_size=_GROUP_ROWS, columns=present):
            yield _conformed(batch, schema, filled, file.key)
    except (pa.ArrowException, OSError) as error:
        raise BatchDamaged(f"{file.key}: not a readable Parquet file: {error}") from error


def _fetch(store: ObjectStore, file: ProcessedFile) -> bytes:
    try:
        data = store.get(file.key)
    except ObjectMissing:
        raise BatchDamaged(f"{file.key}: expected {file.bytes} bytes, found no object; the manifest lists it") from None
    if len(data) != file.bytes:
        raise BatchDamaged(f"{file.key}: expected {file.bytes} bytes, found {len(data)}")
    return data


def _from_path(key: str) -> dict[str, str]:
    symbol = symbol_of(key)
    return {} if symbol is None else {"symbol": symbol}


def _refuse_missing(key: str, table: Table, present: set[str]) -> None:
    missing = [column.name for column in table.columns if not column.nullable and column.name not in present]
    if missing:
        raise BatchDamaged(f"{key}: columns that {table.name} requires are missing: {', '.join(missing)}")


def _conformed(batch: pa.RecordBatch, schema: pa.Schema, filled: dict[str, str], key: str) -> pa.RecordBatch:
    columns = []
    for field in schema:
        if field.name in filled:
            columns.append(pa.repeat(pa.scalar(filled[field.name], field.type), batch.num_rows))
        elif field.name in batch.schema.names:
            found = batch.column(field.name)
            try:
                columns.append(found.cast(field.type))
            except pa.ArrowException as error:
                raise BatchDamaged(
                    f"{key}: column {field.name}: expected {field.type}, found {found.type}: {error}"
                ) from error
        else:
            columns.append(pa.nulls(batch.num_rows, field.type))
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _nullable(schema: pa.Schema) -> pa.Schema:
    return pa.schema([field.with_nullable(True) for field in schema])
