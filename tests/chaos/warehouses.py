"""The warehouse of a chaos run: a Snowflake behind a proxy that fails on demand."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from stockpipe.common.contracts.tables import REALTIME_STOCK_ANALYTICS
from stockpipe.common.warehouse.reader import open_reader
from support.faulty_proxy import FaultyProxy
from support.loading import SnowflakeSite

SCHEMA = "CHAOS"


class Warehouse:
    """A schema of its own on the server at `url`; programs go through the proxy, we don't."""

    def __init__(self, url: str, proxy: FaultyProxy) -> None:
        self.proxy = proxy
        self._direct = SnowflakeSite(Path("/unused"), server=url, schema=SCHEMA)
        self._variables = SnowflakeSite(
            Path("/unused"), server="http://{}:{}".format(*proxy.address), schema=SCHEMA
        ).environment()
        del self._variables["LAKE_URL"]

    def environment(self) -> Mapping[str, str]:
        """Return the variables that name it."""
        return self._variables

    def windows(self) -> list[dict[str, Any]]:
        """Return symbol, window_start, record_count_15m and volume_sum_15m of every window."""
        with open_reader(self._direct.settings) as reader:
            name = reader.qualified(REALTIME_STOCK_ANALYTICS)
            found = reader.query(f"SELECT symbol, window_start, record_count_15m, volume_sum_15m FROM {name}")
        rows: list[dict[str, Any]] = found.to_pylist()
        return rows


def address_of(url: str) -> tuple[str, int]:
    """Return host and port of the server's URL."""
    parts = urlsplit(url)
    return str(parts.hostname), int(parts.port or 0)
