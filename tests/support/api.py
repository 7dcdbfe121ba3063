"""The API on a warehouse of a few hundred real sessions, loaded by the real loader."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import structlog
from prometheus_client import CollectorRegistry
from starlette.testclient import TestClient

from stockpipe.api.app import Parts, build_app
from stockpipe.api.keys import ApiKeys, Role
from stockpipe.api.settings import ServeSettings
from stockpipe.common.logs import Logger
from stockpipe.common.warehouse.reader import open_reader
from stockpipe.producer.sources.sample_data import EXCHANGES, sample_rows
from support.clocks import ManualClock
from support.loading import Site, SnowflakeSite
from support.processed import Row, daily_row, window_row, write_batch
from support.waiting import eventually

SYMBOLS = ("AAPL", "IBM", "MSFT")
SESSIONS = 320
DAY = datetime(2013, 3, 1, 14, 30, tzinfo=UTC)
WINDOWS = 27
NOW = datetime(2013, 3, 1, 21, 15, tzinfo=UTC)


@dataclass
class ApiSite(Site):
    """A lake and a warehouse with rows, and what the API logged on them."""

    logged: io.StringIO = field(default_factory=io.StringIO)

    def parts(self, **settings: Any) -> Parts:
        places = {name.lower(): value for name, value in self.environment().items()}
        serve = ServeSettings.model_validate({**places, "poll_seconds": 0.05, **settings})
        log = _log(self.logged)
        return Parts(serve, lambda: open_reader(serve), self.store, ManualClock(NOW), log, CollectorRegistry())

    @contextmanager
    def client(self, **settings: Any) -> Iterator[TestClient]:
        with TestClient(build_app(self.parts(**settings)), raise_server_exceptions=False) as client:
            eventually(lambda: client.get("/readyz").status_code == 200, "the API is ready")
            yield client

    def key(self, role: Role = "reader") -> str:
        return ApiKeys(self.store).create(f"a {role}", role, ManualClock(NOW))[1]


@dataclass
class SnowflakeApiSite(ApiSite, SnowflakeSite):
    """The same on Snowflake."""


def make_site(folder: Path) -> ApiSite:
    return filled(ApiSite(folder))


def filled(site: ApiSite) -> ApiSite:
    """Make the tables and load the rows."""
    site.migrate()
    site.load(
        write_batch(site.store, "daily", "20130301T220000Z-daily", [row for name in SYMBOLS for row in bars(name)]),
        write_batch(site.store, "realtime_live", "20130301T210000Z-stream", [window(n) for n in range(WINDOWS)]),
    )
    return site


@lru_cache(maxsize=8)
def bars(symbol: str) -> tuple[Row, ...]:
    """Return the last sessions of a symbol as rows; the metrics that no test looks at stay as `daily_row` has them."""
    return tuple(
        daily_row(
            symbol=symbol,
            date=date.fromisoformat(bar["Date"]),
            daily_open=float(bar["Open"]),
            daily_high=float(bar["High"]),
            daily_low=float(bar["Low"]),
            daily_close=float(bar["Close"]),
            daily_volume=int(bar["Volume"]),
            adj_close=float(bar["Adj Close"]),
            exchange=EXCHANGES[symbol],
        )
        for bar in sample_rows()[symbol][-SESSIONS:]
    )


def window(number: int, **changes: Any) -> Row:
    """Return the window of AAPL that begins `number` quarters of an hour after the open."""
    price = 430 + number / 10
    values: Row = {"open": price, "high": price + 0.2, "low": price - 0.2, "close": price + 0.1}
    values |= {"window_start": DAY + timedelta(minutes=15 * number), "last_offset": 1_119 + number}
    return window_row(**values | changes)


def _log(file: io.StringIO) -> Logger:
    log: Logger = structlog.wrap_logger(
        structlog.PrintLogger(file),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
    )
    return log
