"""Settings of the producer."""

from datetime import date
from pathlib import Path
from tempfile import gettempdir
from typing import Annotated, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, AliasChoices, Field, SecretStr

from stockpipe.common.contracts.fields import SYMBOL_PATTERN, check_text
from stockpipe.common.settings import CommaSeparated, KafkaSettings, OptionalLakeSettings, SummarySettings
from stockpipe.producer.sources.alphavantage_plan import PlanName
from stockpipe.producer.sources.limits import parse_limits
from stockpipe.producer.symbols import AssetClass

SOURCE_NAMES = ("sample", "replay", "yahoo", "alphavantage")
NETWORK_SOURCES = ("yahoo", "alphavantage")
ASSET_CLASSES: tuple[AssetClass, ...] = get_args(AssetClass)


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


def _check_asset_classes(names: tuple[str, ...]) -> tuple[str, ...]:
    unknown = [name for name in names if name not in ASSET_CLASSES]
    if unknown or not names:
        raise ValueError(f"unknown class {', '.join(unknown) or '(none given)'}; known are {', '.join(ASSET_CLASSES)}")
    return names


def _check_budget(texts: tuple[str, ...]) -> tuple[str, ...]:
    parse_limits(texts)
    return texts


def _check_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError("no such time zone; want a name such as America/New_York") from None
    return name


Symbols = Annotated[CommaSeparated, AfterValidator(_check_symbols)]
Sources = Annotated[CommaSeparated, AfterValidator(_check_sources)]
AssetClasses = Annotated[CommaSeparated, AfterValidator(_check_asset_classes)]
BudgetTexts = Annotated[CommaSeparated, AfterValidator(_check_budget)]
ZoneName = Annotated[str, AfterValidator(_check_zone)]


class SourceSettings(OptionalLakeSettings):
    """What to collect, and from where."""

    symbols: Symbols = Field(("AAPL", "FB", "GOOG", "IBM", "MSFT"), description="Tickers to collect, comma-separated")
    sources: Sources = Field(
        ("sample",),
        description="Sources in the order in which they are tried. sample: real daily bars that ship in Python "
        "packages, quotes simulated along them; replay: what the lake at LAKE_URL holds; yahoo, "
        "alphavantage: the network",
    )
    symbols_file: Path | None = Field(
        None, description="CSV symbol,exchange,currency instead of SYMBOLS; the last two may be empty"
    )
    asset_classes: AssetClasses = Field(
        ("equity",),
        description="What symbols may be: equity (also funds and indices), crypto (BTC-USD), forex (EURUSD=X)",
    )
    settle_minutes: float = Field(
        60.0, ge=0, description="Minutes after a session's close from which on its daily bar is final"
    )
    yahoo_budget: BudgetTexts = Field(
        ("2/second", "30/minute", "10000/day"), description="HTTP requests to Yahoo, of all processes together"
    )
    yahoo_cache_folder: Path = Field(
        Path(gettempdir(), "stockpipe-yahoo"), description="Writable folder of yfinance's cache, one a pod"
    )
    alpha_vantage_api_key: SecretStr | None = Field(
        None, description="Key of Alpha Vantage; better from a file by ALPHA_VANTAGE_API_KEY_FILE"
    )
    alpha_vantage_plan: PlanName = Field(
        "free", description="The key's plan. free: 25 calls a day, the last 100 daily bars, no quotes"
    )
    alpha_vantage_reset_zone: ZoneName = Field(
        "America/New_York", description="Time zone at whose midnight the day's calls renew"
    )


class ProducerSettings(KafkaSettings, SourceSettings, SummarySettings):
    """What the commands that send have in common."""

    trace_headers: bool = Field(
        False, description="Send the header traceparent; the auditor's TRACES_URL exports the traces that it names"
    )


class CheckSettings(SourceSettings):
    """Ask each source of the network for the newest daily bar of the first symbol, and say whether it answers.

    Costs a call or two of each source's budget. The exit code is 3 if one doesn't answer.
    """


class RealtimeSettings(ProducerSettings):
    """Send a quote of every symbol each interval, of a past session or re-dated to now.

    With --session-date the quotes carry that session's own times and the command ends with the session; --speed says
    how much faster than it was. Without, it runs until SIGTERM or Ctrl-C, and idles while the exchanges are closed:
    a symbol's exchange follows from SYMBOLS_FILE or the symbol's suffix.
    """

    session_date: date | None = Field(None, description="Trading day to go through, e.g. 2013-03-01 (default: now)")
    speed: float = Field(
        1.0, ge=0, description="How many times faster than it was the session is gone through; 0 = without waiting"
    )
    fetch_interval_seconds: float = Field(30.0, gt=0, le=3600, description="Seconds from one round to the next")
    exchange: str = Field("XNYS", description="Exchange of --session-date and of source sample, ISO 10383 code")
    always_on: bool = Field(False, description="Also send while the exchange is closed")
    seed: int = Field(7, ge=0, description="Seed of the simulated quotes; the same seed gives the same quotes")


class BatchSettings(ProducerSettings):
    """Send the daily bars of every symbol between two dates, once, and print a JSON summary as the last line.

    One symbol's failure doesn't stop the others; the exit code is then 5 and the summary names it.
    """

    first_date: date | None = Field(
        None,
        validation_alias=AliasChoices("from", "from_date"),
        description="First session date, e.g. 2000-03-01 (default: of sample and replay everything, of the network the "
        "trailing sessions)",
    )
    trailing_sessions: int = Field(
        7, ge=1, le=1000, description="Sessions that are fetched again by default: sources restate them for days"
    )
    cross_check_symbols: int = Field(
        0, ge=0, description="Symbols, drawn at random, whose bars are also asked of the next source and compared"
    )
    last_date: date | None = Field(
        None, validation_alias=AliasChoices("to", "to_date"), description="Last session date (default: today, UTC)"
    )
    batch_id: str | None = Field(
        None, description="Batch id, UTC time first, e.g. 20261123T143000Z-daily (default: made from now)"
    )


class GapsSettings(BatchSettings):
    """List the sessions that the calendar expects and the lake doesn't have, by symbol, with the reason.

    Reasons: not_fetched, source_down (every source cools down), not_final (only a bar of the unfinished session is
    there), no_trade (a source was asked after the session and has no bar; remembered on the lake), delisted (two
    sources have nothing of at least five sessions up to now; remembered, and not asked for again). Holidays are no
    gaps. With --fill what is missing is fetched and sent, and nothing else. The last line of the output is JSON.

    With --minutes the minutes of trading of which the lake has no quote are looked for instead; yahoo is asked for
    them, whose bars of one minute reach back 30 days. Those become quotes of origin backfill.
    """

    minutes: bool = Field(False, description="Look for minutes without a quote, not for sessions without a bar")
    fill: bool = Field(False, description="Fetch what is missing")
