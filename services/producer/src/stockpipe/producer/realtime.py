"""`stockpipe-producer realtime`: a quote of every symbol each round."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from stockpipe.common import calendar, ids
from stockpipe.common.clock import Clock
from stockpipe.common.errors import ConfigError
from stockpipe.common.lake.open import open_lake
from stockpipe.common.logs import Logger
from stockpipe.common.metrics import ProducerMetrics
from stockpipe.common.times import to_text
from stockpipe.producer.schedule import live_rounds, session_rounds
from stockpipe.producer.sender import Sender
from stockpipe.producer.settings import RealtimeSettings
from stockpipe.producer.sources.base import Fetch, QuoteSource
from stockpipe.producer.sources.errors import SourceError
from stockpipe.producer.sources.replay import ReplayQuotes
from stockpipe.producer.sources.sample import SampleQuotes


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


def quote_source(name: str, settings: RealtimeSettings, session: calendar.Session | None) -> QuoteSource:
    """Return the source of this name, for a past session or for now.

    Raises:
        ConfigError: it needs another setting, or has nothing for these symbols.
    """
    try:
        if name == "sample":
            interval = timedelta(seconds=settings.fetch_interval_seconds)
            return SampleQuotes(settings.symbols, session, settings.exchange, interval, settings.seed)
        if session is None or settings.lake_url is None:
            raise ConfigError("source replay needs SESSION_DATE (--session-date), the day to replay, and LAKE_URL")
        store = open_lake(settings)
        return ReplayQuotes(store, settings.kafka_topic_realtime, settings.symbols, session.open, session.close)
    except SourceError as error:
        raise ConfigError(f"SYMBOLS (--symbols): source {error}") from error


def rounds(
    settings: RealtimeSettings,
    session: calendar.Session | None,
    clock: Clock,
    stop: threading.Event,
    metrics: ProducerMetrics,
    log: Logger,
) -> Iterator[datetime]:
    """Yield the instants at which quotes are wanted."""
    interval = timedelta(seconds=settings.fetch_interval_seconds)
    if session is not None:
        return session_rounds(session, interval, settings.speed, clock, stop)
    exchange = None if settings.always_on else settings.exchange
    return live_rounds(interval, exchange, clock, stop, metrics, log)


def send_rounds(
    symbols: Sequence[str],
    sources: Sequence[QuoteSource],
    instants: Iterator[datetime],
    sender: Sender,
    clock: Clock,
    entropy: ids.Entropy,
    metrics: ProducerMetrics,
    log: Logger,
) -> RealtimeSummary:
    """Send one round of quotes at each instant; a round that no source answers is counted and left out."""
    summary = RealtimeSummary()
    for at in instants:
        for source in sources:
            now = clock.now()
            fetch = Fetch(ids.fetch_id(source.name, now, entropy()), to_text(now))
            began = clock.monotonic()
            try:
                request, quotes = source.quotes(symbols, at, fetch)
            except SourceError as error:
                metrics.fetch_failures.labels(source.name, type(error).__name__).inc()
                log.warning("fetch_failed", at=at.isoformat(), detail=str(error))
                continue
            metrics.fetch_seconds.labels(source.name).observe(clock.monotonic() - began)
            for quote in quotes:
                sender.send(quote, request)
            summary.rounds += 1
            summary.records += len(quotes)
            break
        else:
            summary.failed_rounds += 1
        sender.poll()
    return summary
