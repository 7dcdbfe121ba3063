"""Processed files: Parquet in the lake to rows with the columns of their table."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from stockpipe.common.contracts.manifests import ProcessedFile
from stockpipe.common.contracts.tables import Table
from stockpipe.common.errors import PipelineError
from stockpipe.common.lake.layout import symbol_of
from stockpipe.common.lake.store import ObjectMissing, ObjectStore

BATCH_ROWS = 122_880
"""Rows of a piece; DuckDB's own size of a row group, so that each becomes one piece of work."""


class BatchDamaged(PipelineError):
    """A batch's files aren't what its manifest and contract say."""


def file_schema(table: Table) -> pa.Schema:
    """Return the table's columns, all nullable: nulls where there must be none are for checks to report."""
    return pa.schema([field.with_nullable(True) for field in table.arrow_schema])


def read_file(store: ObjectStore, file: ProcessedFile, table: Table) -> Iterator[pa.RecordBatch]:
    """Yield the rows of one file with the columns and types of `file_schema(table)`.

    A symbol that only the path names becomes a column, a column that the file is too old to have is null.

    Raises:
        BatchDamaged: the file is missing, has another size or row count, can't be read or lacks a required column.
    """
    schema = file_schema(table)
    data = _fetch(store, file)
    try:
        parquet = pq.ParquetFile(pa.BufferReader(data), coerce_int96_timestamp_unit="us")
        if parquet.metadata.num_rows != file.rows:
            raise BatchDamaged(f"{file.key}: expected {file.rows} rows, found {parquet.metadata.num_rows}")
        of_file = set(parquet.schema_arrow.names)
        present = [name for name in schema.names if name in of_file]
        filled = {} if "symbol" in present else _from_path(file.key)
        _refuse_missing(file.key, table, {*present, *filled})
        # Arrow's threads cost a batch of many small files more than they give.
        for batch in parquet.iter_batches(batch_size=BATCH_ROWS, columns=present, use_threads=False):
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
    names = set(batch.schema.names)
    for field in schema:
        if field.name in filled:
            columns.append(pa.repeat(pa.scalar(filled[field.name], field.type), batch.num_rows))
        elif field.name in names:
            found = batch.column(field.name)
            try:
                columns.append(found if found.type == field.type else found.cast(field.type))
            except pa.ArrowException as error:
                raise BatchDamaged(
                    f"{key}: column {field.name}: expected {field.type}, found {found.type}: {error}"
                ) from error
        else:
            columns.append(pa.nulls(batch.num_rows, field.type))
    return pa.RecordBatch.from_arrays(columns, schema=schema)
