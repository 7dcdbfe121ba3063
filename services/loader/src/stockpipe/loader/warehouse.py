"""What the loader asks of a warehouse; each dialect implements it in a module of its own.

A dialect knows how to connect, to stage a batch and to merge. The order of a load, which is what makes it
safe, is in `load.py` and the same for all.
"""

import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from stockpipe.common.contracts.tables import ColumnType, Table
from stockpipe.common.errors import Unavailable
from stockpipe.loader.staging import Incoming

Value = str | int | datetime
"""A parameter of a statement; a datetime is UTC without a zone, as in the tables."""

STAGED = "BATCH_IN"
"""The temporary table that holds the batch being loaded."""

_PARAMETER = re.compile(r"(?<![:\w]):([a-z_]+)")


class WarehouseUnavailable(Unavailable):
    """The warehouse can't be reached, is locked or is full; the same call may work later."""


@dataclass(frozen=True)
class Merged:
    """What a MERGE did to its target."""

    inserted: int
    updated: int


class Session(Protocol):
    """An open warehouse. Statements name parameters as `:name`; each call may raise WarehouseUnavailable."""

    @property
    def version(self) -> str:
        """Return the product and its version, for people."""
        ...

    def native_type(self, type_: ColumnType) -> str:
        """Return the name that `columns` reports for a column of this type."""
        ...

    def label(self, **about: str) -> None:
        """Tell the warehouse's query history, where it keeps one, what the statements that follow are about."""
        ...

    def create_database(self, database: str) -> None:
        """Make the database if it is absent."""
        ...

    def columns(self, table: Table) -> dict[str, str]:
        """Return the table's column names, lower case, with their native types; none without such a table."""
        ...

    def use(self, database: str) -> None:
        """Make unqualified names mean the tables of `database`."""
        ...

    def execute(self, sql: str, parameters: Mapping[str, Value] | None = None) -> None:
        """Run one statement.

        Raises:
            PipelineError: the warehouse refuses it.
        """
        ...

    def fetch(self, sql: str, parameters: Mapping[str, Value] | None = None) -> list[tuple[Any, ...]]:
        """Run one query and return its rows; for small results.

        Raises:
            PipelineError: the warehouse refuses it.
        """
        ...

    def stage(self, batch: Incoming) -> None:
        """Make BATCH_IN anew from the rows of the batch. Not inside a transaction.

        Raises:
            BatchDamaged: the files aren't what the manifest says; BATCH_IN may hold some of the rows.
        """
        ...

    def merge(self, table: Table, sql: str, parameters: Mapping[str, Value] | None = None) -> Merged:
        """Run a MERGE into `table` and return what it did."""
        ...

    def transaction(self) -> AbstractContextManager[None]:
        """Commit at the end, or roll back when the body raises."""
        ...


class Warehouse(Protocol):
    """A warehouse that can be opened."""

    @property
    def url(self) -> str:
        """Return where it is, without secrets."""
        ...

    def open(self, *, create: bool = False) -> AbstractContextManager[Session]:
        """Open the warehouse; where readers need a published copy, one is current when this ends without error.

        Raises:
            ConfigError: it can't be opened as WAREHOUSE_URL says, or doesn't exist and `create` is false.
            WarehouseUnavailable: it can't be reached or stayed locked.
        """
        ...


def bind(sql: str, parameters: Mapping[str, Value] | None, write: Callable[[str], str]) -> tuple[str, dict[str, Value]]:
    """Return `sql` with each `:name` as the dialect writes it, and the values it uses.

    Raises:
        KeyError: the statement names a parameter that isn't given.
    """
    names = dict.fromkeys(_PARAMETER.findall(sql))
    used = {name: (parameters or {})[name] for name in names}
    return _PARAMETER.sub(lambda match: write(match[1]), sql), used
