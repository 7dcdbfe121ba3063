"""The warehouse that the settings name."""

import threading
from collections.abc import Callable

from stockpipe.common.clock import Clock
from stockpipe.common.warehouse.urls import dialect_of
from stockpipe.loader.settings import LoaderWarehouseSettings
from stockpipe.loader.warehouse import Warehouse

OpenWarehouse = Callable[[LoaderWarehouseSettings, Clock, threading.Event], Warehouse]
"""Settings, clock, event that ends the waiting for a lock."""


def open_warehouse(settings: LoaderWarehouseSettings, clock: Clock, stop: threading.Event) -> Warehouse:
    """Return the warehouse that the settings name, not yet opened.

    Raises:
        ConfigError: the URL has no known form.
    """
    match dialect_of(settings.warehouse_url):
        case "duckdb":
            from stockpipe.loader.duckdb_warehouse import DuckDBWarehouse

            return DuckDBWarehouse(settings.warehouse_url, settings.lock_seconds, clock, stop)
        case "snowflake":
            from stockpipe.loader.snowflake_warehouse import SnowflakeWarehouse

            return SnowflakeWarehouse(settings)
