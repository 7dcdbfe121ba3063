"""Reading the warehouse, whatever its dialect."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import pyarrow as pa

from stockpipe.common.contracts.tables import Table
from stockpipe.common.warehouse.urls import dialect_of


class WarehouseReader(Protocol):
    """Reads tables. One thread at a time."""

    def qualified(self, table: Table) -> str:
        """Return the table's full name, to be put into SQL; `ledger.loaded_batches` gives the ledger's tables."""
        ...

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> pa.Table:
        """Run one SELECT and return its rows; each `?` stands for a parameter.

        Raises:
            PipelineError: the statement is wrong, or the warehouse fails.
        """
        ...


def open_reader(url: str) -> AbstractContextManager[WarehouseReader]:
    """Open the warehouse at `url` for reading; never blocks the loader nor waits for it.

    Raises:
        ConfigError: the URL has no known scheme, or what it names can't be read.
        Unavailable: nothing was published yet, or the warehouse can't be reached.
    """
    match dialect_of(url):
        case "duckdb":
            from stockpipe.common.warehouse.duckdb_reader import open_duckdb

            return open_duckdb(url)
