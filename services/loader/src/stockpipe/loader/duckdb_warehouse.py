"""The DuckDB dialect: one file, one writer at a time; a database of the contract is a schema of the file."""

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from threading import Event
from typing import Any

import duckdb

from stockpipe.common.clock import Clock
from stockpipe.common.contracts.tables import ColumnType, Table
from stockpipe.common.errors import ConfigError, PipelineError
from stockpipe.common.warehouse.duckdb_file import CATALOG, DuckDBFile, attach, duckdb_file, reason
from stockpipe.loader.duckdb_snapshot import is_current, publish
from stockpipe.loader.staging import Incoming
from stockpipe.loader.warehouse import STAGED, Merged, Session, Value, WarehouseUnavailable, bind

_NATIVE: dict[ColumnType, str] = {
    "string": "VARCHAR",
    "double": "DOUBLE",
    "bigint": "BIGINT",
    "int": "INTEGER",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
}
_FIRST_WAIT_SECONDS = 0.05
_LONGEST_WAIT_SECONDS = 1.0
_HOLDER = re.compile(r"Conflicting lock is held in (?P<program>.+?) \(PID (?P<pid>\d+)\)")


class _Locked(Exception):
    """Another process has the file; the text names it as far as DuckDB does."""


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (duckdb.IOException, duckdb.FatalException, duckdb.InternalException, duckdb.ConnectionException) as error:
        raise WarehouseUnavailable(f"DuckDB fails: {reason(error)}") from error
    except duckdb.Error as error:
        raise PipelineError(f"DuckDB refuses: {reason(error)}") from error


class DuckDBWarehouse:
    """A warehouse in one file."""

    def __init__(self, url: str, lock_seconds: float, clock: Clock, stop: Event) -> None:
        self._file = duckdb_file(url)
        self._url = url
        self._lock_seconds = lock_seconds
        self._clock = clock
        self._stop = stop

    @property
    def url(self) -> str:
        return self._url

    @contextmanager
    def open(self, *, create: bool = False) -> Iterator[Session]:
        if create:
            self._make_folder()
        elif not self._file.path.exists():
            raise ConfigError(f"WAREHOUSE_URL {self._url!r}: no such file; run `stockpipe-loader migrate`")
        with ExitStack() as after_closing:
            connection = self._attach()
            try:
                session = DuckDBSession(connection, self._file)
                yield session
                session.checkpoint()
                if not is_current(self._file):
                    publish(self._file, after_closing)
            finally:
                connection.close()

    def _make_folder(self) -> None:
        try:
            self._file.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"WAREHOUSE_URL {self._url!r}: can't make its folder: {error.strerror}") from error

    def _attach(self) -> duckdb.DuckDBPyConnection:
        """Open the file; while another process has it, try again until the lock seconds are over."""
        deadline = self._clock.monotonic() + self._lock_seconds
        wait = _FIRST_WAIT_SECONDS
        while True:
            try:
                return self._try_attach()
            except _Locked as locked:
                left = deadline - self._clock.monotonic()
                if left <= 0 or self._clock.wait(min(wait, left), self._stop):
                    raise WarehouseUnavailable(
                        f"{self._file.path} is held by {locked}; gave up after {self._lock_seconds:g} s (LOCK_SECONDS)"
                    ) from locked
                wait = min(2 * wait, _LONGEST_WAIT_SECONDS)

    def _try_attach(self) -> duckdb.DuckDBPyConnection:
        try:
            return attach(self._file.path, read_only=False)
        except duckdb.ResourceInUseException as error:
            raise _Locked("another connection of this process") from error
        except duckdb.Error as error:
            if "Could not set lock" in str(error):
                holder = _HOLDER.search(str(error))
                raise _Locked(f"{holder['program']}, process {holder['pid']}" if holder else "a process") from error
            raise ConfigError(f"WAREHOUSE_URL {self._url!r}: {reason(error)}") from error


class DuckDBSession:
    """An open file; see `Session`."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, file: DuckDBFile) -> None:
        self._connection = connection
        with _translated():
            spill = str(file.spill).replace("'", "''")
            connection.execute(f"SET temp_directory = '{spill}'")

    @property
    def version(self) -> str:
        return f"DuckDB {duckdb.__version__}"

    def native_type(self, type_: ColumnType) -> str:
        return _NATIVE[type_]

    def label(self, **about: str) -> None:
        """Do nothing: DuckDB keeps no history."""

    def create_database(self, database: str) -> None:
        self.execute(f"CREATE SCHEMA IF NOT EXISTS {database}")

    def columns(self, table: Table) -> dict[str, str]:
        rows = self.fetch(
            "SELECT LOWER(column_name), data_type FROM information_schema.columns "
            "WHERE table_catalog = :catalog AND table_schema = :database AND table_name = :name "
            "ORDER BY ordinal_position",
            {"catalog": CATALOG, "database": table.database, "name": table.name},
        )
        return dict(rows)

    def use(self, database: str) -> None:
        self.execute(f"USE {CATALOG}.{database}")

    def execute(self, sql: str, parameters: Mapping[str, Value] | None = None) -> None:
        self.fetch(sql, parameters)

    def fetch(self, sql: str, parameters: Mapping[str, Value] | None = None) -> list[tuple[Any, ...]]:
        statement, values = bind(sql, parameters, lambda name: f"${name}")
        with _translated():
            return self._connection.execute(statement, values).fetchall()

    def stage(self, batch: Incoming) -> None:
        """Insert piece by piece: what doesn't fit into DuckDB's memory limit goes to the folder for spilling."""
        columns = ", ".join(f"{column.name} {_NATIVE[column.type]}" for column in batch.table.columns)
        self.execute(f"CREATE OR REPLACE TEMP TABLE {STAGED} ({columns})")
        for piece in batch.pieces():
            with _translated():
                self._connection.from_arrow(piece).insert_into(STAGED)

    def merge(self, table: Table, sql: str, parameters: Mapping[str, Value] | None = None) -> Merged:
        """Tell inserted from updated by the rows the table gained: MERGE itself reports only their sum."""
        before = self._count(table)
        ((changed,),) = self.fetch(sql, parameters)
        inserted = self._count(table) - before
        return Merged(inserted=inserted, updated=changed - inserted)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self.execute("BEGIN TRANSACTION")
        try:
            yield
        except BaseException:
            with suppress(duckdb.Error):
                self._connection.rollback()
            raise
        self.execute("COMMIT")

    def checkpoint(self) -> None:
        """Move what was committed from the log into the file."""
        self.execute(f"CHECKPOINT {CATALOG}")

    def _count(self, table: Table) -> int:
        ((rows,),) = self.fetch(f"SELECT COUNT(*) FROM {table.name}")
        return int(rows)
