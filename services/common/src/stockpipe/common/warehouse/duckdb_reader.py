"""Reads the published copy of a DuckDB warehouse."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from stockpipe.common.contracts.tables import Table
from stockpipe.common.errors import ConfigError, PipelineError, Unavailable
from stockpipe.common.warehouse.duckdb_file import attach, duckdb_file, reason

if TYPE_CHECKING:
    import duckdb


class DuckDBReader:
    """Reads one published copy: all queries see the same state, whatever the loader does meanwhile."""

    def __init__(self, connection: "duckdb.DuckDBPyConnection") -> None:
        self._connection = connection

    def qualified(self, table: Table) -> str:
        return f"{table.database}.{table.name}"

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> pa.Table:
        import duckdb

        try:
            return self._connection.sql(sql, params=list(parameters)).to_arrow_table()
        except duckdb.Error as error:
            raise PipelineError(f"the warehouse can't answer: {reason(error)}") from error


@contextmanager
def open_duckdb(url: str) -> Iterator[DuckDBReader]:
    """Open the newest published copy; see `open_reader`."""
    import duckdb

    file = duckdb_file(url)
    if not file.snapshot.exists():
        raise Unavailable(
            f"warehouse {url} has nothing to read yet: {file.snapshot} is missing; run `stockpipe-loader migrate`"
        )
    try:
        connection = attach(file.snapshot, read_only=True)
    except duckdb.Error as error:
        raise ConfigError(f"WAREHOUSE_URL {url!r} can't be read: {reason(error)}") from error
    try:
        yield DuckDBReader(connection)
    finally:
        connection.close()
