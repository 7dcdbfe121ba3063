"""The warehouse of a chaos run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from stockpipe.common.contracts.tables import REALTIME_STOCK_ANALYTICS
from stockpipe.common.errors import Unavailable
from stockpipe.common.warehouse.reader import open_reader


class Warehouse(Protocol):
    """Where the loader loads to."""

    def environment(self) -> Mapping[str, str]:
        """Return the variables that name it."""
        ...

    def windows(self) -> list[dict[str, Any]]:
        """Return symbol, window_start, record_count_15m and volume_sum_15m of every window."""
        ...

    def freeze(self) -> None:
        """Make it stop answering, where it is a server."""
        ...

    def thaw(self) -> None:
        """Let it answer again."""
        ...


class DuckDBFile:
    """A warehouse in a file."""

    def __init__(self, folder: Path) -> None:
        self._url = f"duckdb://{folder}/warehouse.duckdb"

    def environment(self) -> Mapping[str, str]:
        return {"WAREHOUSE_URL": self._url}

    def windows(self) -> list[dict[str, Any]]:
        try:
            with open_reader(self._url) as reader:
                name = reader.qualified(REALTIME_STOCK_ANALYTICS)
                found = reader.query(f"SELECT symbol, window_start, record_count_15m, volume_sum_15m FROM {name}")
        except Unavailable:
            return []
        rows: list[dict[str, Any]] = found.to_pylist()
        return rows

    def freeze(self) -> None:
        pass

    def thaw(self) -> None:
        pass
