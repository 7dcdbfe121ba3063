"""A lake and a DuckDB warehouse in one folder, and the loader on both."""

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from stockpipe.common.contracts.manifests import ProcessedManifest
from stockpipe.common.contracts.tables import Table
from stockpipe.common.lake.open import open_lake
from stockpipe.common.lake.store import ObjectStore
from stockpipe.common.settings import LakeSettings
from stockpipe.common.warehouse.ledger import DATABASES, loaded_batches
from stockpipe.common.warehouse.reader import open_reader
from stockpipe.loader.duckdb_warehouse import DuckDBWarehouse
from stockpipe.loader.load import LoadResult, load_batch
from stockpipe.loader.migrate import migrate
from support.clocks import ManualClock
from support.processed import NOW


@dataclass
class Site:
    folder: Path
    name: str = "warehouse.duckdb"
    clock: ManualClock = field(default_factory=lambda: ManualClock(NOW))

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

    def warehouse(self, lock_seconds: float = 0) -> DuckDBWarehouse:
        return DuckDBWarehouse(self.url, lock_seconds, self.clock, threading.Event())

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

    def rows(self, table: Table, order: str = "ALL") -> list[dict[str, Any]]:
        with open_reader(self.url) as reader:
            found = reader.query(f"SELECT * FROM {reader.qualified(table)} ORDER BY {order}")
        rows: list[dict[str, Any]] = found.to_pylist()
        return rows

    def ledger(self) -> list[dict[str, Any]]:
        """Return LOADED_BATCHES of all databases."""
        return [row for database in DATABASES for row in self.rows(loaded_batches(database), "batch_id, dataset")]

    def environment(self) -> dict[str, str]:
        """Return the variables a loader program needs."""
        return {"LAKE_URL": self.lake_url, "WAREHOUSE_URL": self.url}
