"""When rounds of quotes happen."""

import threading
from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta

from stockpipe.common import calendar
from stockpipe.common.clock import Clock
from stockpipe.common.logs import Logger
from stockpipe.common.metrics import ProducerMetrics


def session_rounds(
    session: calendar.Session, interval: timedelta, speed: float, clock: Clock, stop: threading.Event
) -> Iterator[datetime]:
    """Yield the instants of a past session, `speed` times faster than they were; 0 = without waiting.

    Each round is due by the start of the replay, not by the round before, so delays don't add up.
    """
    begun = clock.monotonic()
    at, elapsed = session.open, timedelta()
    while at <= session.close and not stop.is_set():
        if speed > 0 and clock.wait(begun + elapsed.total_seconds() / speed - clock.monotonic(), stop):
            return
        yield at
        elapsed += interval
        at = session.open + elapsed


def live_rounds(
    interval: timedelta,
    exchanges: Collection[str],
    clock: Clock,
    stop: threading.Event,
    metrics: ProducerMetrics,
    log: Logger,
) -> Iterator[datetime]:
    """Yield the instants of the wall clock that are multiples of `interval`, while one of the exchanges is open.

    A round that can't start before the next is due is left out and counted. No exchange means always open.
    """
    previous = _floor(clock.now(), interval)
    while not stop.is_set():
        now = clock.now()
        if exchanges and not any(calendar.is_trading(exchange, now) for exchange in exchanges):
            opens, exchange = min((calendar.next_open(exchange, now), exchange) for exchange in exchanges)
            log.info("exchange_closed", exchange=exchange, next_open=opens.isoformat())
            metrics.rest()
            if clock.wait((opens - now).total_seconds(), stop):
                return
            previous = _floor(clock.now() - interval, interval)
            continue
        due = previous + interval
        current = _floor(now, interval)
        if current > due:
            skipped = (current - due) // interval
            metrics.rounds_skipped.inc(skipped)
            log.warning("rounds_skipped", count=skipped, reason="the round before took too long")
            due = current
        if clock.wait((due - now).total_seconds(), stop):
            return
        previous = due
        yield due


def _floor(instant: datetime, interval: timedelta) -> datetime:
    midnight = datetime(instant.year, instant.month, instant.day, tzinfo=UTC)
    return midnight + (instant - midnight) // interval * interval
