"""Reading the warehouse, whatever its dialect."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import pyarrow as pa

from stockpipe.common.contracts.tables import Table
from stockpipe.common.settings import WarehouseSettings
from stockpipe.common.warehouse.urls import dialect_of


class WarehouseReader(Protocol):
    """Reads tables. One thread at a time."""

    def qualified(self, table: Table) -> str:
        """Return the table's full name, to be put into SQL; `ledger.loaded_batches` gives the ledger's tables."""
        ...

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> pa.Table:
        """Run one SELECT and return its rows; each `?` stands for a parameter.

        Integers may come wider than the contract has them. Each query sees what is committed when it runs; with
        DuckDB all queries of a reader see the same state.

        Raises:
            PipelineError: the statement is wrong, or the warehouse fails.
        """
        ...


def open_reader(settings: WarehouseSettings) -> AbstractContextManager[WarehouseReader]:
    """Open the warehouse for reading; never blocks the loader nor waits for it.

    Raises:
        ConfigError: the URL has no known form, a setting is missing or wrong, or what they name can't be read.
        Unavailable: nothing was published yet, or the warehouse can't be reached.
    """
    match dialect_of(settings.warehouse_url):
        case "duckdb":
            from stockpipe.common.warehouse.duckdb_reader import open_duckdb

            return open_duckdb(settings.warehouse_url)
        case "snowflake":
            from stockpipe.common.warehouse.snowflake_reader import open_snowflake

            return open_snowflake(settings)
