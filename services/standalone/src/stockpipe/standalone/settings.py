"""Settings of the standalone program."""

from datetime import date
from typing import Literal

from pydantic import Field

from stockpipe.common.settings import CommaSeparated, ServiceSettings


class DemoSettings(ServiceSettings):
    """Run the whole pipeline once: real daily bars and one replayed session, from the source to the warehouse.

    Starts a real Kafka and the same programs as in a cluster, waits until everything has arrived, checks the books and
    stops it all. Needs no account, and with source sample no network. The exit code is 1 if the books don't balance.
    """

    source: Literal["sample", "yahoo"] = Field(
        "sample", description="sample: real bars of the past, quotes simulated along them; yahoo: the network"
    )
    symbols: CommaSeparated = Field(
        (), description="Tickers, comma-separated (default: AAPL,GOOG,IBM,MSFT and FB, which is now META)"
    )
    session_date: date = Field(date(2013, 3, 1), description="Trading day whose quotes source sample replays")
    replay_seconds: float = Field(15.0, gt=0, description="Seconds that the replay of the session takes")


class UpSettings(ServiceSettings):
    """Run the whole pipeline with live simulated quotes until Ctrl-C, with a table of results and a dashboard.

    The quotes follow real sessions of the past, re-dated to now.
    """

    symbols: CommaSeparated = Field(("AAPL", "FB", "GOOG", "IBM", "MSFT"), description="Tickers, comma-separated")
    fetch_interval_seconds: float = Field(5.0, gt=0, description="Seconds between rounds of quotes")
