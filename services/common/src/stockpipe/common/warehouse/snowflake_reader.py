"""Reads a Snowflake warehouse."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
from snowflake.connector import SnowflakeConnection
from snowflake.connector.constants import FIELD_NAME_TO_ID
from snowflake.connector.cursor import ResultMetadata

from stockpipe.common.contracts.tables import Table
from stockpipe.common.settings import WarehouseSettings
from stockpipe.common.warehouse.snowflake_errors import translated
from stockpipe.common.warehouse.snowflake_login import log_in

_ARROW = {
    FIELD_NAME_TO_ID["REAL"]: pa.float64(),
    FIELD_NAME_TO_ID["TEXT"]: pa.string(),
    FIELD_NAME_TO_ID["DATE"]: pa.date32(),
    FIELD_NAME_TO_ID["TIMESTAMP_NTZ"]: pa.timestamp("us"),
    FIELD_NAME_TO_ID["BOOLEAN"]: pa.bool_(),
}
_FIXED = FIELD_NAME_TO_ID["FIXED"]


class SnowflakeReader:
    """Reads what is committed. Column names come in lower case, whole numbers as 64 bits."""

    def __init__(self, connection: SnowflakeConnection, schema: str) -> None:
        self._connection = connection
        self._schema = schema

    def qualified(self, table: Table) -> str:
        return f"{table.database}.{self._schema}.{table.name}"

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> pa.Table:
        with translated(), self._connection.cursor() as cursor:
            cursor.execute(sql, list(parameters))
            return _table(cursor.description, cursor.fetchall())


@contextmanager
def open_snowflake(settings: WarehouseSettings) -> Iterator[SnowflakeReader]:
    """Open the warehouse for reading; see `open_reader`."""
    connection = log_in(settings, "reader")
    try:
        yield SnowflakeReader(connection, settings.snowflake_schema)
    finally:
        connection.close()


def _table(columns: Sequence[ResultMetadata], rows: Sequence[Any]) -> pa.Table:
    """Make a table of rows: the connector's own Arrow results need pandas, which is a large thing to ship for it."""
    values = list(zip(*rows, strict=True)) if rows else [()] * len(columns)
    arrays = [pa.array(column, _type(about)) for about, column in zip(columns, values, strict=True)]
    return pa.table(arrays, names=[about.name.lower() for about in columns])


def _type(column: ResultMetadata) -> pa.DataType | None:
    if column.type_code == _FIXED:
        return pa.decimal128(38, column.scale) if column.scale else pa.int64()
    return _ARROW.get(column.type_code)
