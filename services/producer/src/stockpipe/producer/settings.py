"""Settings of the producer."""

from datetime import date
from typing import Annotated

from pydantic import AfterValidator, AliasChoices, Field

from stockpipe.common.contracts.fields import SYMBOL_PATTERN, check_text
from stockpipe.common.settings import CommaSeparated, KafkaSettings, OptionalLakeSettings

SOURCE_NAMES = ("sample", "replay")


def _check_symbols(symbols: tuple[str, ...]) -> tuple[str, ...]:
    if not symbols:
        raise ValueError("the list is empty; give at least one ticker, e.g. AAPL,MSFT")
    for symbol in symbols:
        if not check_text(SYMBOL_PATTERN, symbol):
            raise ValueError(f"{symbol!r} is no ticker: 1 to 16 of A-Z 0-9 . ^ = -")
    if len(set(symbols)) < len(symbols):
        raise ValueError("a ticker is given twice")
    return symbols


def _check_sources(sources: tuple[str, ...]) -> tuple[str, ...]:
    unknown = [source for source in sources if source not in SOURCE_NAMES]
    if unknown or not sources:
        raise ValueError(f"unknown source {', '.join(unknown) or '(none given)'}; known are {', '.join(SOURCE_NAMES)}")
    return sources


Symbols = Annotated[CommaSeparated, AfterValidator(_check_symbols)]
Sources = Annotated[CommaSeparated, AfterValidator(_check_sources)]


class ProducerSettings(KafkaSettings, OptionalLakeSettings):
    """What both commands of the producer share."""

    symbols: Symbols = Field(("AAPL", "FB", "GOOG", "IBM", "MSFT"), description="Tickers to collect, comma-separated")
    sources: Sources = Field(
        ("sample",),
        description="Sources in the order in which they are tried. sample: real daily bars that ship in Python "
        "packages, quotes simulated along them; replay: what the lake at LAKE_URL holds",
    )


class RealtimeSettings(ProducerSettings):
    """Send a quote of every symbol each interval, of a past session or re-dated to now.

    With --session-date the quotes carry that session's own times and the command ends with the session; --speed says
    how much faster than it was. Without, it runs until SIGTERM or Ctrl-C, and idles while the exchange is closed.
    """

    session_date: date | None = Field(None, description="Trading day to go through, e.g. 2013-03-01 (default: now)")
    speed: float = Field(
        1.0, ge=0, description="How many times faster than it was the session is gone through; 0 = without waiting"
    )
    fetch_interval_seconds: float = Field(30.0, gt=0, le=3600, description="Seconds from one round to the next")
    exchange: str = Field("XNYS", description="Exchange whose sessions count, ISO 10383 code")
    always_on: bool = Field(False, description="Also send while the exchange is closed")
    seed: int = Field(7, ge=0, description="Seed of the simulated quotes; the same seed gives the same quotes")


class BatchSettings(ProducerSettings):
    """Send the daily bars of every symbol between two dates, once, and print a JSON summary as the last line.

    One symbol's failure doesn't stop the others; the exit code is then 5 and the summary names it.
    """

    first_date: date = Field(
        date(1990, 1, 1),
        validation_alias=AliasChoices("from", "from_date"),
        description="First session date, e.g. 2000-03-01",
    )
    last_date: date | None = Field(
        None, validation_alias=AliasChoices("to", "to_date"), description="Last session date (default: today, UTC)"
    )
    batch_id: str | None = Field(
        None, description="Batch id, UTC time first, e.g. 20261123T143000Z-daily (default: made from now)"
    )
    xcom_path: str | None = Field(
        None, description="File that also gets the summary; Airflow reads /airflow/xcom/return.json"
    )
