"""Failover, budgets and slow sources within rounds of quotes."""

import random
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from typing import Any

from prometheus_client import CollectorRegistry

from stockpipe.common.contracts.quote import Quote
from stockpipe.common.metrics import ProducerMetrics
from stockpipe.common.times import to_text
from stockpipe.producer.rounds import REST, QuoteRounds
from stockpipe.producer.sources.base import Fetch, QuoteAnswer, QuoteSource
from stockpipe.producer.sources.budget import Budget
from stockpipe.producer.sources.errors import BadPayload, NoData, RateLimited, SourceError, SourceUnavailable
from stockpipe.producer.sources.health import COOLDOWN_SECONDS, Health
from stockpipe.producer.sources.limits import DAY, Limit
from stockpipe.producer.sources.line import Line, run_aside, run_here
from stockpipe.producer.sources.meter import Meter
from support import records
from support.clocks import ManualClock
from support.landing import quiet_log
from support.memory_store import MemoryStore
from support.senders import Recorder
from support.waiting import eventually

AT = datetime(2026, 11, 24, 15, 0, tzinfo=UTC)
INTERVAL = timedelta(seconds=30)
SYMBOLS = ["AAPL", "IBM", "MSFT"]


class Scripted:
    """A source that answers as a function says: with symbols, or with an error."""

    def __init__(self, name: str, per_call: int = 2) -> None:
        self.name = name
        self.symbols_per_call = per_call
        self.meter: Meter | None = None
        self.asked: list[list[str]] = []
        self.answer: Callable[[Sequence[str]], SourceError | dict[str, SourceError] | None] = lambda _symbols: None
        self.unchanged: set[str] = set()

    def quotes(self, symbols: Sequence[str], at: datetime, fetch: Fetch) -> QuoteAnswer:
        assert self.meter is not None
        self.meter.before()
        self.meter.after(200)
        self.asked.append(list(symbols))
        said = self.answer(symbols)
        if isinstance(said, SourceError):
            raise said
        failed = said or {}
        quoted = [symbol for symbol in symbols if symbol not in failed and symbol not in self.unchanged]
        made = [self._quote(symbol, at, fetch) for symbol in quoted]
        return QuoteAnswer(f"{self.name} asked", made, frozenset(self.unchanged & set(symbols)), failed)

    def _quote(self, symbol: str, at: datetime, fetch: Fetch) -> Quote:
        return records.quote(symbol=symbol, event_time=to_text(at), source=self.name, fetch_id=fetch.id)


class Desk:
    """Rounds of scripted sources."""

    def __init__(self, *sources: Scripted, calls: int = 1000, aside: Callable[..., "Future[Any]"] = run_here) -> None:
        self.clock = ManualClock(AT)
        self.registry = CollectorRegistry()
        self.sender = Recorder()
        self.at = AT
        metrics, store, log = ProducerMetrics(self.registry), MemoryStore(), quiet_log()
        lines: list[Line[QuoteSource]] = []
        for source in sources:
            budget = Budget(source.name, (Limit(calls, DAY),), store, self.clock, "test")
            source.meter = Meter(source.name, budget, metrics, 0)
            health = Health(source.name, store, self.clock, random.Random(1), metrics, log)
            lines.append(Line(source.name, source, health, source.meter))
        self.rounds = QuoteRounds(lines, INTERVAL, self.sender, self.clock, lambda: "abc123", metrics, log, aside)

    def round(self, symbols: Sequence[str] = SYMBOLS) -> dict[str, str]:
        """Run one round and return which source quoted each symbol."""
        before = len(self.sender.records)
        self.rounds.round(symbols, self.at)
        self.at += INTERVAL
        self.clock.advance(INTERVAL.total_seconds())
        return {quote.symbol: quote.source for quote in self.sender.quotes[before:]}

    def metric(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"stockpipe_producer_{name}", labels)


def test_the_first_source_is_asked_in_groups_and_the_second_not_at_all() -> None:
    first, second = Scripted("yahoo"), Scripted("alphavantage")
    assert Desk(first, second).round() == dict.fromkeys(SYMBOLS, "yahoo")
    assert first.asked == [["AAPL", "IBM"], ["MSFT"]]
    assert second.asked == []


def test_the_second_source_is_asked_for_what_the_first_did_not_bring() -> None:
    first, second = Scripted("yahoo"), Scripted("alphavantage", per_call=1)
    first.answer = lambda symbols: {"IBM": BadPayload("yahoo", "IBM", "NaN")} if "IBM" in symbols else None
    desk = Desk(first, second)
    assert desk.round() == {"AAPL": "yahoo", "MSFT": "yahoo", "IBM": "alphavantage"}
    assert desk.metric("fetch_failures_total", source="yahoo", reason="BadPayload") == 1


def test_a_rate_limited_source_is_left_alone_until_its_cool_down_ends() -> None:
    first, second = Scripted("yahoo"), Scripted("alphavantage")
    first.answer = lambda _symbols: RateLimited("yahoo", None, "429")
    desk = Desk(first, second)
    assert desk.round() == dict.fromkeys(SYMBOLS, "alphavantage")
    assert len(first.asked) == 1  # the other group isn't even tried
    for _ in range(10):
        desk.round()
    assert len(first.asked) == 1
    assert desk.metric("source_skips_total", source="yahoo", reason="cooling_down") == 10
    assert desk.metric("source_cooling", source="yahoo") == 1
    first.answer = lambda _symbols: None
    desk.clock.advance(1.5 * COOLDOWN_SECONDS)
    assert desk.round() == dict.fromkeys(SYMBOLS, "yahoo")


def test_one_group_that_fails_does_not_stop_the_others() -> None:
    first = Scripted("yahoo")
    first.answer = lambda symbols: SourceUnavailable("yahoo", None, "500") if "AAPL" in symbols else None
    assert Desk(first).round() == {"MSFT": "yahoo"}


def test_a_symbol_of_which_a_source_knows_nothing_rests_and_does_not_eat_the_budget() -> None:
    source = Scripted("alphavantage", per_call=1)
    source.answer = lambda symbols: NoData("alphavantage", "GONE", "delisted") if symbols == ["GONE"] else None
    desk = Desk(source)
    for _ in range(20):
        assert desk.round(["GONE", "IBM"]) == {"IBM": "alphavantage"}
    assert source.asked.count(["GONE"]) == 1
    desk.at += REST
    desk.round(["GONE", "IBM"])
    assert source.asked.count(["GONE"]) == 2


def test_a_symbol_with_nothing_new_is_not_asked_of_the_next_source() -> None:
    first, second = Scripted("yahoo"), Scripted("alphavantage")
    first.unchanged = {"IBM"}
    desk = Desk(first, second)
    assert desk.round() == {"AAPL": "yahoo", "MSFT": "yahoo"}
    assert second.asked == []


def test_a_budget_too_small_for_all_is_spent_on_the_stalest_and_every_symbol_has_its_turn() -> None:
    source = Scripted("yahoo", per_call=1)
    desk = Desk(source, calls=3)
    quoted: list[str] = []
    for day in range(4):
        desk.at = AT + timedelta(days=day)
        quoted += list(desk.round([f"S{number:02d}" for number in range(12)]))
        desk.clock.advance(86_400 - 30)
    assert sorted(quoted) == [f"S{number:02d}" for number in range(12)]
    assert len(source.asked) == 12


def test_a_used_up_quota_is_planned_for_and_counted() -> None:
    source = Scripted("yahoo", per_call=1)
    desk = Desk(source, calls=4)
    assert len(desk.round()) == 3
    assert len(desk.round()) == 1
    assert desk.round() == {}
    assert desk.metric("quota_remaining", source="yahoo") == 0
    assert desk.metric("quota_limit", source="yahoo") == 4
    assert desk.metric("source_skips_total", source="yahoo", reason="no_quota") == 1


def test_a_slow_source_does_not_delay_the_others_and_what_it_brings_late_is_sent() -> None:
    slow, second = Scripted("yahoo", per_call=3), Scripted("alphavantage", per_call=3)
    answering = threading.Event()

    def hang(_symbols: Sequence[str]) -> None:
        answering.wait(30)

    slow.answer = hang
    desk = Desk(slow, second, aside=run_aside)
    desk.rounds._interval = 0.3
    try:
        assert desk.round() == dict.fromkeys(SYMBOLS, "alphavantage")
        assert desk.round() == dict.fromkeys(SYMBOLS, "alphavantage")
        assert desk.metric("source_skips_total", source="yahoo", reason="busy") == 1
        assert len(slow.asked) == 1
    finally:
        answering.set()
    eventually(desk.rounds._open["yahoo"].done, "the slow source has answered")
    desk.round()
    assert [quote.source for quote in desk.sender.quotes].count("yahoo") == 3


def test_the_age_of_the_stalest_symbol_is_exported() -> None:
    source = Scripted("yahoo")
    desk = Desk(source)
    desk.round()
    source.answer = lambda symbols: SourceUnavailable("yahoo", None, "500") if "MSFT" in symbols else None
    desk.round()
    desk.round()
    assert desk.metric("oldest_quote_seconds") == 60
