"""Raw rows: every field of a message in its contract's order, then `kafka_partition` and `kafka_offset`."""

import io
from collections.abc import Sequence
from operator import attrgetter
from typing import Literal, get_type_hints

import msgspec
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from stockpipe.common.contracts.corporate_action import CorporateAction
from stockpipe.common.contracts.daily_bar import DailyBar
from stockpipe.common.contracts.decode import Record
from stockpipe.common.contracts.quote import Quote
from stockpipe.common.contracts.tables import ColumnType
from stockpipe.common.contracts.topics import TopicKind

RawFormat = Literal["csv", "parquet"]

PARTITION_COLUMN = "kafka_partition"
OFFSET_COLUMN = "kafka_offset"

_ARROW: dict[ColumnType, pa.DataType] = {
    "string": pa.string(),
    "double": pa.float64(),
    "bigint": pa.int64(),
    "int": pa.int32(),
    "boolean": pa.bool_(),
}


def _column_type(field: msgspec.inspect.Type) -> ColumnType:
    match field:
        case msgspec.inspect.Metadata(type=inner):
            return _column_type(inner)
        case msgspec.inspect.UnionType(types=types):
            (inner,) = (t for t in types if not isinstance(t, msgspec.inspect.NoneType))
            return _column_type(inner)
        case msgspec.inspect.FloatType():
            return "double"
        case msgspec.inspect.IntType():
            return "bigint"
        case msgspec.inspect.BoolType():
            return "boolean"
        case msgspec.inspect.StrType() | msgspec.inspect.LiteralType():
            return "string"
        case _:
            raise TypeError(f"contract field of type {field} has no raw column type")


def _columns(contract: type[Record]) -> dict[str, ColumnType]:
    hints = get_type_hints(contract, include_extras=True)
    return {name: _column_type(msgspec.inspect.type_info(hint)) for name, hint in hints.items()} | {
        PARTITION_COLUMN: "int",
        OFFSET_COLUMN: "bigint",
    }


RAW_COLUMNS: dict[TopicKind, dict[str, ColumnType]] = {
    "realtime": _columns(Quote),
    "batch": _columns(DailyBar),
    "actions": _columns(CorporateAction),
}
FIRST_COLUMNS: dict[TopicKind, tuple[str, ...]] = {
    "realtime": (
        *("symbol", "event_time", "price", "volume", "bid", "ask", "session", "currency", "source", "origin"),
        *("fetched_at", "fetch_id", PARTITION_COLUMN, OFFSET_COLUMN),
    ),
    "batch": (
        *("symbol", "date", "open", "high", "low", "close", "adj_close", "volume", "dividend", "split_ratio"),
        *("currency", "source", "origin", "is_final", "fetched_at", "fetch_id", "batch_id"),
        *(PARTITION_COLUMN, OFFSET_COLUMN),
    ),
    "actions": (
        *("symbol", "ex_date", "kind", "ratio", "amount", "currency", "source", "origin", "fetched_at", "fetch_id"),
        *("batch_id", PARTITION_COLUMN, OFFSET_COLUMN),
    ),
}
"""The columns of objects whose manifest doesn't tell them. Later columns are optional, and absent in older objects."""

_SCHEMAS = {
    kind: pa.schema([(name, _ARROW[type_]) for name, type_ in columns.items()]) for kind, columns in RAW_COLUMNS.items()
}


def raw_table(kind: TopicKind, records: Sequence[Record], partition: int, offsets: Sequence[int]) -> pa.Table:
    """Return records as raw rows."""
    schema = _SCHEMAS[kind]
    *fields, of_partition, of_offset = schema
    columns = [pa.array(list(map(attrgetter(field.name), records)), field.type) for field in fields]
    columns.append(pa.repeat(pa.scalar(partition, of_partition.type), len(offsets)))
    columns.append(pa.array(offsets, of_offset.type))
    return pa.table(columns, schema=schema)


def encode_rows(rows: pa.Table, raw_format: RawFormat) -> bytes:
    """Return one raw object's bytes; the same rows always give the same bytes."""
    whole = rows.combine_chunks()
    sink = pa.BufferOutputStream()  # a Python file would take the lock for each piece written
    if raw_format == "csv":
        pa.csv.write_csv(whole, sink)
    else:
        pa.parquet.write_table(whole, sink, compression="zstd")
    data: bytes = sink.getvalue().to_pybytes()
    return data


def decode_rows(kind: TopicKind, key: str, data: bytes) -> pa.Table:
    """Return the rows of the raw object stored at `key`, null in columns that are younger than the object.

    Raises:
        pyarrow.ArrowInvalid: the object isn't what its key says.
    """
    schema = _SCHEMAS[kind]
    if key.endswith(".parquet"):
        table = pa.parquet.read_table(io.BytesIO(data))
    else:
        table = pa.csv.read_csv(
            io.BytesIO(data),
            convert_options=pa.csv.ConvertOptions(
                column_types=schema, null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False
            ),
        )
    if missing := [name for name in FIRST_COLUMNS[kind] if name not in table.column_names]:
        raise pa.ArrowInvalid(f"columns are missing: {', '.join(missing)}")
    columns = [
        table[field.name] if field.name in table.column_names else pa.nulls(table.num_rows, field.type)
        for field in schema
    ]
    return pa.table(columns, schema.names).cast(schema)
