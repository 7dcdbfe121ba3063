"""The Snowflake dialect: a batch goes by PUT to an internal stage, by COPY to a temporary table, by MERGE to its place.

    CREATE TEMPORARY STAGE → PUT → CREATE TEMPORARY TABLE BATCH_IN → COPY INTO      DDL, so before the transaction
    BEGIN → record the batch → MERGE → counts → COMMIT                              see `load.py`

Stage and table end with the session, and the staged file with them, also if the loader dies. A session that dies in a
transaction is rolled back by Snowflake.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from snowflake.connector import SnowflakeConnection

from stockpipe.common.contracts.tables import ColumnType, Table
from stockpipe.common.errors import ConfigError, PipelineError
from stockpipe.common.warehouse.snowflake_errors import translated
from stockpipe.common.warehouse.snowflake_login import log_in, query_tag
from stockpipe.loader.settings import LoaderWarehouseSettings
from stockpipe.loader.staging import Incoming
from stockpipe.loader.warehouse import STAGED, Merged, Session, Value, WarehouseUnavailable, bind

_NATIVE: dict[ColumnType, str] = {
    "string": "TEXT",
    "double": "FLOAT",
    "bigint": "NUMBER",
    "int": "NUMBER",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "timestamp": "TIMESTAMP_NTZ",
}
_SERVICE = "loader"


class SnowflakeWarehouse:
    """A warehouse in a Snowflake account."""

    def __init__(self, settings: LoaderWarehouseSettings) -> None:
        self._settings = settings

    @property
    def url(self) -> str:
        return f"snowflake://{self._settings.snowflake_account}"

    @contextmanager
    def open(self, *, create: bool = False) -> Iterator[Session]:  # noqa: ARG002 - `migrate` makes what is absent
        lock_seconds = int(self._settings.lock_seconds)
        connection = log_in(self._settings, _SERVICE, WarehouseUnavailable, LOCK_TIMEOUT=lock_seconds)
        try:
            yield SnowflakeSession(connection, self._settings)
        finally:
            connection.close()


class SnowflakeSession:
    """An open session; see `Session`."""

    def __init__(self, connection: SnowflakeConnection, settings: LoaderWarehouseSettings) -> None:
        self._connection = connection
        self._schema = settings.snowflake_schema.upper()
        self._stage_database = settings.snowflake_database
        self._database = ""
        self._tag = query_tag(_SERVICE)

    @property
    def version(self) -> str:
        ((version,),) = self.fetch("SELECT CURRENT_VERSION()")
        about = self._connection
        return (
            f"Snowflake {version}, account {about.account}, user {about.user}, role {about.role or 'none'}, "
            f"warehouse {about.warehouse or 'none'}"
        )

    def native_type(self, type_: ColumnType) -> str:
        return _NATIVE[type_]

    def label(self, **about: str) -> None:
        self._tag = query_tag(_SERVICE, **about)

    def create_database(self, database: str) -> None:
        """Make database and schema if they can't be used; a role that was given both needs no right to make them."""
        try:
            self.use(database)
        except ConfigError:
            self.execute(f"CREATE DATABASE IF NOT EXISTS {database}")
            self.execute(f"CREATE SCHEMA IF NOT EXISTS {database}.{self._schema}")

    def columns(self, table: Table) -> dict[str, str]:
        try:
            rows = self.fetch(
                "SELECT column_name, data_type, numeric_precision, numeric_scale "
                f"FROM {table.database}.information_schema.columns "
                "WHERE table_schema = :schema AND table_name = :name ORDER BY ordinal_position",
                {"schema": self._schema, "name": table.name},
            )
        except ConfigError:
            return {}
        return {name.lower(): f"{type_}({digits},{scale})" if scale else type_ for name, type_, digits, scale in rows}

    def use(self, database: str) -> None:
        self.execute(f"USE SCHEMA {database}.{self._schema}")
        self._database = database

    def execute(self, sql: str, parameters: Mapping[str, Value] | None = None) -> None:
        self.fetch(sql, parameters)

    def fetch(self, sql: str, parameters: Mapping[str, Value] | None = None) -> list[tuple[Any, ...]]:
        order: list[str] = []

        def write(name: str) -> str:
            order.append(name)
            return "?"

        statement, values = bind(sql, parameters, write)
        with translated(WarehouseUnavailable), self._connection.cursor() as cursor:
            tag = {"QUERY_TAG": self._tag}
            cursor.execute(statement, [values[name] for name in order], _statement_params=tag)
            return [tuple(row) for row in cursor.fetchall()]

    def stage(self, batch: Incoming) -> None:
        table = batch.table
        stage = f"{self._stage_database or self._database}.{self._schema}.LOADER_STAGE"
        columns = [(column.name, _NATIVE[column.type]) for column in table.columns]
        with batch.file() as parquet:
            folder = f"@{stage}/{parquet.stem}/"
            self.execute(f"CREATE TEMPORARY STAGE IF NOT EXISTS {stage}")
            self.execute(f"PUT '{_file_url(parquet)}' {folder} AUTO_COMPRESS=FALSE OVERWRITE=TRUE")
        nullable = ", ".join(f"{name} {type_}" for name, type_ in columns)
        self.execute(f"CREATE OR REPLACE TEMPORARY TABLE {STAGED} ({nullable})")
        self.execute(
            f"COPY INTO {STAGED} ({', '.join(table.column_names)}) "
            f"FROM (SELECT {', '.join(f'$1:{name}::{type_}' for name, type_ in columns)} FROM {folder}) "
            "FILE_FORMAT=(TYPE=PARQUET USE_LOGICAL_TYPE=TRUE) FORCE=TRUE ON_ERROR=ABORT_STATEMENT"
        )

    def merge(self, table: Table, sql: str, parameters: Mapping[str, Value] | None = None) -> Merged:  # noqa: ARG002
        """Run it; Snowflake answers with the rows inserted and, where the statement may update, those updated."""
        ((inserted, *updated),) = self.fetch(sql, parameters)
        return Merged(inserted=int(inserted), updated=int(updated[0]) if updated else 0)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Roll back by a statement unless the server is away: closing the session rolls back as well."""
        self.execute("BEGIN TRANSACTION")
        try:
            yield
        except WarehouseUnavailable:
            raise
        except BaseException:
            with suppress(PipelineError):
                self.execute("ROLLBACK")
            raise
        self.execute("COMMIT")


def _file_url(path: Path) -> str:
    return "file://" + str(path.absolute()).replace("\\", "/").replace("'", "\\'")
