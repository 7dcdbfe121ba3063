import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import islice

import pytest
from prometheus_client import CollectorRegistry

from stockpipe.common import calendar
from stockpipe.common.metrics import ProducerMetrics
from stockpipe.producer.schedule import live_rounds, session_rounds
from support.clocks import ManualClock
from support.landing import quiet_log

HALF_MINUTE = timedelta(seconds=30)


class Live:
    """Live rounds on a clock held by hand."""

    def __init__(self, now: datetime, *exchanges: str) -> None:
        self.clock = ManualClock(now)
        self._registry = CollectorRegistry()
        self.metrics = ProducerMetrics(self._registry)
        self.rounds: Iterator[datetime] = live_rounds(
            HALF_MINUTE, exchanges, self.clock, threading.Event(), self.metrics, quiet_log()
        )

    def next(self, count: int) -> list[str]:
        return [f"{instant:%d %H:%M:%S}" for instant in islice(self.rounds, count)]

    @property
    def skipped(self) -> float | None:
        return self.value("rounds_skipped_total")

    def value(self, name: str, **labels: str) -> float | None:
        return self._registry.get_sample_value(f"stockpipe_producer_{name}", labels)


def test_rounds_are_aligned_to_the_wall_clock() -> None:
    live = Live(datetime(2026, 11, 23, 15, 0, 7, tzinfo=UTC), "XNYS")
    assert live.next(3) == ["23 15:00:30", "23 15:01:00", "23 15:01:30"]
    assert live.skipped == 0


def test_a_slow_round_does_not_shift_the_next() -> None:
    live = Live(datetime(2026, 11, 23, 15, 0, 7, tzinfo=UTC), "XNYS")
    live.next(1)
    live.clock.advance(12)
    assert live.next(1) == ["23 15:01:00"]
    assert live.clock.waits[-1] == 18


def test_a_round_longer_than_the_interval_skips_and_counts_never_piles_up() -> None:
    live = Live(datetime(2026, 11, 23, 15, 0, 7, tzinfo=UTC), "XNYS")
    live.next(1)
    live.clock.advance(95)
    assert live.next(2) == ["23 15:02:00", "23 15:02:30"]
    assert live.skipped == 2


@pytest.mark.parametrize(
    ("now", "first"),
    [
        (datetime(2026, 11, 23, 3, 0, tzinfo=UTC), "23 14:30:00"),
        (datetime(2026, 11, 21, 16, 0, tzinfo=UTC), "23 14:30:00"),
        # Thanksgiving is a holiday; the day after closes at 13:00 New York time.
        (datetime(2026, 11, 26, 15, 0, tzinfo=UTC), "27 14:30:00"),
        (datetime(2026, 11, 27, 18, 30, tzinfo=UTC), "30 14:30:00"),
    ],
)
def test_outside_sessions_it_idles_until_the_next_open(now: datetime, first: str) -> None:
    live = Live(now, "XNYS")
    assert live.next(1) == [first]
    assert live.skipped == 0


def test_what_alerts_look_at_is_forgotten_when_the_exchange_closes() -> None:
    live = Live(datetime(2026, 11, 23, 20, 59, 40, tzinfo=UTC), "XNYS")
    live.metrics.oldest_quote.set(400)
    live.metrics.source_cooling.labels("yahoo").set(1)
    live.metrics.quota_remaining.labels("yahoo").set(3)
    assert live.next(1) == ["23 21:00:00"]
    assert live.value("source_cooling", source="yahoo") == 1
    assert live.next(3)[-1] == "24 14:30:00"
    assert live.value("oldest_quote_seconds") == 0
    assert live.value("source_cooling", source="yahoo") is None
    assert live.value("quota_remaining", source="yahoo") is None


def test_always_on_needs_no_exchange() -> None:
    assert Live(datetime(2026, 11, 21, 16, 0, 1, tzinfo=UTC)).next(1) == ["21 16:00:30"]


def test_it_idles_until_the_first_of_several_exchanges_opens() -> None:
    # Monday 03:00 UTC: Tokyo trades through its lunch break, London opens at 08:00, New York at 14:30.
    assert Live(datetime(2026, 11, 24, 3, 0, 1, tzinfo=UTC), "XLON", "XTKS").next(1) == ["24 03:00:30"]
    assert Live(datetime(2026, 11, 24, 7, 0, tzinfo=UTC), "XNYS", "XLON").next(1) == ["24 08:00:00"]


def session() -> calendar.Session:
    found = calendar.session("XNYS", date(2013, 3, 1))
    assert found is not None
    return found


def test_a_session_is_gone_through_from_open_to_close() -> None:
    clock = ManualClock()
    instants = list(session_rounds(session(), HALF_MINUTE, 60.0, clock, threading.Event()))
    assert len(instants) == 781
    assert (instants[0], instants[-1]) == (session().open, session().close)
    assert clock.monotonic() == pytest.approx(6.5 * 3600 / 60)


def test_speed_zero_does_not_wait() -> None:
    clock = ManualClock()
    assert len(list(session_rounds(session(), HALF_MINUTE, 0.0, clock, threading.Event()))) == 781
    assert clock.waits == []


def test_a_delay_is_made_up_for() -> None:
    clock = ManualClock()
    rounds = session_rounds(session(), HALF_MINUTE, 1.0, clock, threading.Event())
    next(rounds)
    clock.advance(40)
    next(rounds)
    assert clock.waits[-1] == -10
    next(rounds)
    assert clock.waits[-1] == 20


def test_stop_ends_the_rounds() -> None:
    stop = threading.Event()
    rounds = session_rounds(session(), HALF_MINUTE, 0.0, ManualClock(), stop)
    next(rounds)
    stop.set()
    assert list(rounds) == []
