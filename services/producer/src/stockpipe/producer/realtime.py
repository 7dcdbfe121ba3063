"""`stockpipe-producer realtime`: a quote of every symbol each round."""

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from stockpipe.common import calendar
from stockpipe.common.clock import Clock
from stockpipe.common.errors import ConfigError
from stockpipe.common.logs import Logger
from stockpipe.common.metrics import ProducerMetrics
from stockpipe.producer.rounds import QuoteRounds
from stockpipe.producer.schedule import live_rounds, session_rounds
from stockpipe.producer.sender import Sender
from stockpipe.producer.settings import NETWORK_SOURCES, RealtimeSettings
from stockpipe.producer.sources.base import QuoteSource
from stockpipe.producer.sources.errors import SourceError
from stockpipe.producer.sources.line import Line
from stockpipe.producer.sources.replay import ReplayQuotes
from stockpipe.producer.sources.sample import SampleQuotes
from stockpipe.producer.wiring import Wiring


@dataclass
class RealtimeSummary:
    """What a run did; printed as JSON in the end."""

    rounds: int = 0
    records: int = 0
    failed_rounds: int = 0


def past_session(settings: RealtimeSettings) -> calendar.Session | None:
    """Return the session of SESSION_DATE, None where it isn't set.

    Raises:
        ConfigError: the exchange doesn't trade on that day.
    """
    if settings.session_date is None:
        return None
    session = calendar.session(settings.exchange, settings.session_date)
    if session is None:
        raise ConfigError(
            f"SESSION_DATE (--session-date) {settings.session_date} is no trading day of {settings.exchange}"
        )
    return session


def quote_lines(
    settings: RealtimeSettings, session: calendar.Session | None, wiring: Wiring
) -> list[Line[QuoteSource]]:
    """Return the sources in their order, for a past session or for now.

    Raises:
        ConfigError: one needs another setting, or has nothing for these symbols.
    """
    try:
        return [
            wiring.quotes(name)
            if name in NETWORK_SOURCES
            else Line(name, _local_source(name, settings, session, wiring))
            for name in wiring.quoting()
        ]
    except SourceError as error:
        raise ConfigError(f"SYMBOLS (--symbols): source {error}") from error


def _local_source(
    name: str, settings: RealtimeSettings, session: calendar.Session | None, wiring: Wiring
) -> QuoteSource:
    symbols = list(wiring.instruments)
    if name == "sample":
        interval = timedelta(seconds=settings.fetch_interval_seconds)
        return SampleQuotes(symbols, session, settings.exchange, interval, settings.seed)
    if session is None or settings.lake_url is None:
        raise ConfigError("source replay needs SESSION_DATE (--session-date), the day to replay, and LAKE_URL")
    return ReplayQuotes(wiring.store, settings.kafka_topic_realtime, symbols, session.open, session.close)


def rounds(
    settings: RealtimeSettings,
    session: calendar.Session | None,
    wiring: Wiring,
    clock: Clock,
    stop: threading.Event,
    metrics: ProducerMetrics,
    log: Logger,
) -> Iterator[tuple[datetime, list[str]]]:
    """Yield the instants at which quotes are wanted, and the symbols whose exchange is open then.

    Raises:
        ConfigError: a past session is asked of a source that only knows now.
    """
    interval = timedelta(seconds=settings.fetch_interval_seconds)
    everything = list(wiring.instruments)
    if session is not None:
        if wiring.uses_network:
            raise ConfigError("SESSION_DATE (--session-date) needs SOURCES sample or replay; others only know now")
        return ((at, everything) for at in session_rounds(session, interval, settings.speed, clock, stop))
    exchange_of = {
        each.symbol: each.exchange if wiring.uses_network else settings.exchange for each in wiring.instruments.values()
    }
    exchanges = () if settings.always_on else sorted(set(exchange_of.values()))
    instants = live_rounds(interval, exchanges, clock, stop, metrics, log)
    return ((at, found) for at in instants if (found := open_symbols(exchange_of, at, settings.always_on)))


def open_symbols(exchange_of: Mapping[str, str], at: datetime, always: bool) -> list[str]:
    """Return the symbols whose exchange trades at `at`."""
    trading = {exchange for exchange in set(exchange_of.values()) if always or calendar.is_trading(exchange, at)}
    return [symbol for symbol, exchange in exchange_of.items() if exchange in trading]


def send_rounds(instants: Iterator[tuple[datetime, list[str]]], quotes: QuoteRounds, sender: Sender) -> RealtimeSummary:
    """Send one round of quotes at each instant; a round that no source answers is counted and left out."""
    summary = RealtimeSummary()
    for at, symbols in instants:
        if quotes.round(symbols, at):
            summary.rounds += 1
        else:
            summary.failed_rounds += 1
        summary.records = quotes.sent
        sender.poll()
    return summary
