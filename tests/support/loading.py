"""A lake in a folder and a warehouse, DuckDB beside it or Snowflake, and the loader on both."""

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from stockpipe.common.contracts.manifests import ProcessedManifest
from stockpipe.common.contracts.tables import ColumnType, Table
from stockpipe.common.lake.open import open_lake
from stockpipe.common.lake.store import ObjectStore
from stockpipe.common.settings import LakeSettings
from stockpipe.common.warehouse.ledger import DATABASES, loaded_batches
from stockpipe.common.warehouse.reader import open_reader
from stockpipe.loader import duckdb_warehouse, snowflake_warehouse
from stockpipe.loader.duckdb_warehouse import DuckDBWarehouse
from stockpipe.loader.load import LoadResult, load_batch
from stockpipe.loader.migrate import migrate
from stockpipe.loader.open import open_warehouse
from stockpipe.loader.settings import LoaderWarehouseSettings
from stockpipe.loader.warehouse import Warehouse
from support.clocks import ManualClock
from support.processed import NOW

DIALECTS = ("duckdb", "snowflake")
MakeSite = Callable[[str, Path], "Site"]
ON_BOTH = pytest.mark.parametrize("site", DIALECTS, indirect=True)


@dataclass
class Site:
    folder: Path
    name: str = "warehouse.duckdb"
    clock: ManualClock = field(default_factory=lambda: ManualClock(NOW))

    def another(self, name: str) -> "Site":
        """Return a site like this one, not migrated."""
        return Site(self.folder / name)

    @property
    def lake_url(self) -> str:
        return f"file://{quote(str(self.folder))}/lake"

    @property
    def database(self) -> Path:
        return self.folder / self.name

    @property
    def url(self) -> str:
        return f"duckdb://{quote(str(self.database))}"

    @property
    def store(self) -> ObjectStore:
        return open_lake(LakeSettings(lake_url=self.lake_url))

    @property
    def settings(self) -> LoaderWarehouseSettings:
        return LoaderWarehouseSettings(warehouse_url=self.url)

    @property
    def types(self) -> dict[ColumnType, str]:
        """Return the dialect's names of the contract's types."""
        return duckdb_warehouse._NATIVE

    def warehouse(self, lock_seconds: float = 0) -> Warehouse:
        return DuckDBWarehouse(self.url, lock_seconds, self.clock, threading.Event())

    def qualified(self, table: Table) -> str:
        return f"{table.database}.{table.name}"

    def migrate(self) -> list[str]:
        with self.warehouse().open(create=True) as session:
            return migrate(session)

    def load(self, *manifests: ProcessedManifest) -> list[LoadResult]:
        with self.warehouse().open() as session:
            return [load_batch(session, self.store, manifest, self.clock) for manifest in manifests]

    def execute(self, sql: str) -> None:
        """Run a statement on the database as an administrator would, and publish."""
        with self.warehouse().open() as session:
            session.execute(sql)

    def rows(self, table: Table, order: str = "") -> list[dict[str, Any]]:
        with open_reader(self.settings) as reader:
            found = reader.query(f"SELECT * FROM {reader.qualified(table)} ORDER BY {order or ', '.join(table.key)}")
        rows: list[dict[str, Any]] = found.to_pylist()
        return rows

    def ledger(self) -> list[dict[str, Any]]:
        """Return LOADED_BATCHES of all databases."""
        return [row for database in DATABASES for row in self.rows(loaded_batches(database), "batch_id, dataset")]

    def environment(self) -> dict[str, str]:
        """Return the variables a loader program needs."""
        return {"LAKE_URL": self.lake_url, "WAREHOUSE_URL": self.url}


@dataclass
class SnowflakeSite(Site):
    """A schema of its own on a shared server."""

    server: str = ""
    schema: str = ""

    def another(self, name: str) -> Site:
        return SnowflakeSite(self.folder / name, server=self.server, schema=f"{self.schema}_{name}")

    @property
    def url(self) -> str:
        return "snowflake://"

    @property
    def settings(self) -> LoaderWarehouseSettings:
        values = {name.lower(): value for name, value in self.environment().items() if name != "LAKE_URL"}
        return LoaderWarehouseSettings.model_validate(values)

    @property
    def types(self) -> dict[ColumnType, str]:
        return snowflake_warehouse._NATIVE

    def warehouse(self, lock_seconds: float = 0) -> Warehouse:
        return open_warehouse(self.settings, self.clock, threading.Event())

    def qualified(self, table: Table) -> str:
        return f"{table.database}.{self.schema}.{table.name}"

    def execute(self, sql: str) -> None:
        super().execute(re.sub(r"\b(STOCKMARKET(?:BATCH|STREAM))\.", rf"\1.{self.schema}.", sql))

    def environment(self) -> dict[str, str]:
        return {
            "LAKE_URL": self.lake_url,
            "WAREHOUSE_URL": self.url,
            "SNOWFLAKE_HOST": self.server,
            "SNOWFLAKE_ACCOUNT": "fakesnow",
            "SNOWFLAKE_USER": "loader",
            "SNOWFLAKE_PASSWORD": "any",
            "SNOWFLAKE_ROLE": "STOCKPIPE_LOADER",
            "SNOWFLAKE_WAREHOUSE": "STOCKPIPE_WH",
            "SNOWFLAKE_SCHEMA": self.schema,
            "SNOWFLAKE_STATEMENT_SECONDS": "20",
        }
