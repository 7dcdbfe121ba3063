"""Runs of daily bars: failover, retries, plans, cross-checks and new splits."""

import random
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from stockpipe.common import calendar
from stockpipe.common.contracts.corporate_action import CorporateAction
from stockpipe.common.contracts.daily_bar import DailyBar
from stockpipe.common.contracts.manifests import RawManifest
from stockpipe.common.lake.manifests import commit_raw
from stockpipe.common.metrics import ProducerMetrics
from stockpipe.producer.batch import HISTORY_START, BatchRun
from stockpipe.producer.settings import BatchSettings
from stockpipe.producer.sources.base import BarQuery, BarSource, Fetch, Parsed, Payload
from stockpipe.producer.sources.budget import Budget
from stockpipe.producer.sources.crosscheck import compare
from stockpipe.producer.sources.errors import BadPayload, NoData, RateLimited, SourceError, SourceUnavailable
from stockpipe.producer.sources.fetching import BarFetcher
from stockpipe.producer.sources.health import Health
from stockpipe.producer.sources.limits import DAY, Limit
from stockpipe.producer.sources.line import Line
from stockpipe.producer.sources.meter import Meter
from stockpipe.producer.symbols import Instrument
from stockpipe.producer.wiring import Wiring
from support import records
from support.clocks import ManualClock
from support.landing import quiet_log
from support.memory_store import MemoryStore
from support.senders import Recorder

NOW = datetime(2026, 11, 24, 22, 30, tzinfo=UTC)
SPLIT = {"kind": "split", "ex_date": "2026-11-20", "ratio": 4.0}


def action(symbol: str, **changes: Any) -> CorporateAction:
    shared = {"currency": "USD", "source": "yahoo", "origin": "backfill", "fetched_at": "2026-11-24T22:30:00.000Z"}
    return CorporateAction(**(shared | {"symbol": symbol, "fetch_id": "f", "batch_id": "b"} | changes))


class Scripted:
    """A source of one bar a session; `answer` may raise, or change the bars of a symbol."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.applies_splits = name == "yahoo"
        self.meter: Meter | None = None
        self.asked: list[BarQuery] = []
        self.answer: Callable[[BarQuery], SourceError | dict[str, Any] | None] = lambda _query: None
        self.actions: list[CorporateAction] = []

    def fetch_bars(self, query: BarQuery) -> Payload:
        assert self.meter is not None
        self.meter.before()
        self.meter.after(200)
        self.asked.append(query)
        said = self.answer(query)
        if isinstance(said, SourceError):
            raise said
        return Payload(f"{self.name} {query.symbol}", b"")

    def parse_bars(self, query: BarQuery, payload: Payload, fetch: Fetch) -> Parsed:
        said = self.answer(query)
        days = [each.day.isoformat() for each in calendar.sessions(query.exchange, query.first, query.last)]
        shared = {"source": self.name, "symbol": query.symbol, "is_final": True, "fetch_id": fetch.id}
        bars = [records.bar(date=day, **(shared | (said if isinstance(said, dict) else {}))) for day in days[-5:]]
        inside = [each for each in self.actions if each.symbol == query.symbol]
        return Parsed(bars, [each for each in inside if query.first.isoformat() <= each.ex_date])


class Run:
    """A run of scripted sources over a lake in memory."""

    def __init__(
        self, *sources: Scripted, calls: int = 1000, store: MemoryStore | None = None, **settings: Any
    ) -> None:
        self.clock = ManualClock(NOW)
        self.registry = CollectorRegistry()
        self.store = store or MemoryStore()
        self.bars, self.actions = Recorder(), Recorder()
        metrics, log = ProducerMetrics(self.registry), quiet_log()
        lines: list[Line[BarSource]] = []
        for source in sources:
            budget = Budget(source.name, (Limit(calls, DAY),), self.store, self.clock, "test")
            source.meter = Meter(source.name, budget, metrics, 0)
            health = Health(source.name, self.store, self.clock, random.Random(1), metrics, log)
            lines.append(Line(source.name, source, health, source.meter))
        values = BatchSettings(
            kafka_bootstrap_server="nowhere:1",
            sources=("yahoo", "alphavantage"),
            lake_url="file:///nowhere",
            **settings,
        )
        wiring = Wiring(values, self.clock, metrics, log)
        wiring.__dict__["store"] = self.store
        rng = random.Random(2)
        fetcher = BarFetcher(lines, self.clock, rng, lambda: "abc123", metrics, log)
        senders = (self.bars, self.actions)
        self.run = BatchRun(values, wiring, fetcher, *senders, self.clock, lambda: "abc123", rng, metrics, log)

    def go(self, *symbols: str) -> dict[str, str]:
        """Run and return the source of each symbol's bars."""
        self.summary = self.run.run([Instrument(symbol, "XNYS") for symbol in symbols])
        return {bar.symbol: bar.source for bar in self.bars.bars}

    def metric(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"stockpipe_producer_{name}", labels)


def test_by_default_the_trailing_sessions_are_fetched_again() -> None:
    source = Scripted("yahoo")
    Run(source).go("AAPL")
    # Seven sessions up to Tuesday the 24th.
    assert (source.asked[0].first, source.asked[0].last) == (date(2026, 11, 16), date(2026, 11, 24))


def test_a_bad_symbol_fails_over_and_an_unknown_one_is_named() -> None:
    first, second = Scripted("yahoo"), Scripted("alphavantage")
    bad = {"IBM": BadPayload("yahoo", "IBM", "NaN"), "GONE": NoData("yahoo", "GONE", "may be delisted")}
    first.answer = lambda query: bad.get(query.symbol)
    second.answer = lambda query: NoData("alphavantage", "GONE", "Invalid API call") if query.symbol == "GONE" else None
    run = Run(first, second)
    assert run.go("AAPL", "GONE", "IBM", "MSFT") == {"AAPL": "yahoo", "IBM": "alphavantage", "MSFT": "yahoo"}
    assert run.summary.failed == {"GONE": "may be delisted; Invalid API call"}


def test_what_can_heal_is_tried_again_with_back_off_and_what_can_not_is_not() -> None:
    source = Scripted("yahoo")
    errors = [SourceUnavailable("yahoo", "AAPL", "500"), SourceUnavailable("yahoo", "AAPL", "500")]
    source.answer = lambda _query: errors.pop() if errors else None
    run = Run(source)
    assert run.go("AAPL") == {"AAPL": "yahoo"}
    assert len(source.asked) == 3
    waits = [wait for wait in run.clock.waits if wait > 0]
    assert 0 < waits[0] <= 1
    assert 0 < waits[1] <= 2
    assert run.metric("fetch_failures_total", source="yahoo", reason="SourceUnavailable") == 2
    source.answer = lambda _query: BadPayload("yahoo", "AAPL", "HTML")
    run.go("AAPL")
    assert len(source.asked) == 4


def test_a_429_storm_leaves_the_source_alone_and_the_next_one_serves() -> None:
    first, second = Scripted("yahoo"), Scripted("alphavantage")
    first.answer = lambda query: RateLimited("yahoo", query.symbol, "429")
    symbols = [f"S{number}" for number in range(30)]
    run = Run(first, second)
    assert set(run.go(*symbols).values()) == {"alphavantage"}
    assert len(first.asked) == 1
    assert run.summary.failed == {}


def test_the_plan_takes_the_symbols_that_were_fetched_longest_ago() -> None:
    store, source = MemoryStore(), Scripted("alphavantage")
    for start, (symbol, day) in enumerate((("AAPL", "2026-11-23"), ("IBM", "2026-11-20"), ("MSFT", "2026-11-19"))):
        commit_raw(store, landed(start, symbol, f"{day}T22:00:00.000Z"))
    run = Run(source, calls=3, store=store)
    assert list(run.go("AAPL", "IBM", "MSFT", "NEW")) == ["NEW", "MSFT", "IBM"]
    assert run.summary.failed == {"AAPL": "put off, the sources' budgets allow 3 calls now"}
    assert run.metric("quota_remaining", source="alphavantage") == 0


def landed(start: int, symbol: str, at: str) -> RawManifest:
    return RawManifest(
        topic="stock-market-batch",
        partition=0,
        start=start,
        end=start + 1,
        records=1,
        rejected=0,
        skipped=0,
        objects=[],
        min_event_time=at,
        max_event_time=at,
        symbols=[symbol],
        schema_versions=["daily_bar.v1"],
        fetches={},
        writer="test",
        written_at=at,
    )


def test_a_new_split_fetches_the_whole_history_once() -> None:
    store, source = MemoryStore(), Scripted("yahoo")
    source.actions = [action("AAPL", **SPLIT)]
    run = Run(source, store=store)
    run.go("AAPL", "IBM")
    assert [(query.symbol, query.first) for query in source.asked] == [
        ("AAPL", date(2026, 11, 16)),
        ("AAPL", HISTORY_START),
        ("IBM", date(2026, 11, 16)),
    ]
    assert [each.kind for each in run.actions.actions] == ["split", "split"]
    again = Run(source, store=store)
    again.go("AAPL")
    assert len(source.asked) == 4


def test_a_split_is_remembered_only_after_its_history_was_delivered() -> None:
    store, source = MemoryStore(), Scripted("yahoo")
    source.actions = [action("AAPL", **SPLIT)]
    fails = SourceUnavailable("yahoo", "AAPL", "500")
    source.answer = lambda query: fails if query.first == HISTORY_START else None
    Run(source, store=store).go("AAPL")
    assert not [key for key in store.objects if key.startswith("state/splits/")]
    source.answer = lambda _query: None
    run = Run(source, store=store)
    run.go("AAPL")
    assert source.asked[-1].first == HISTORY_START
    # Ten bars were sent, and acknowledged, before the split was remembered.
    assert run.bars.flushed_at == [10]
    assert [key for key in store.objects if key.startswith("state/splits/AAPL/2026-11-20")]


def test_as_traded_prices_may_jump_at_a_split_and_need_no_new_history() -> None:
    source = Scripted("alphavantage")
    source.actions = [action("AAPL", **SPLIT)]
    source.answer = lambda _query: {"open": 100.0, "close": 400.0, "high": 400.0, "low": 100.0}
    assert Run(source).go("AAPL") == {"AAPL": "alphavantage"}
    assert len(source.asked) == 1


def test_wrongly_adjusted_prices_are_not_sent() -> None:
    first, second = Scripted("yahoo"), Scripted("alphavantage")
    first.actions = [action("AAPL", **(SPLIT | {"ex_date": "2026-11-20"}))]
    first.answer = lambda _query: {"open": 100.0, "close": 400.0, "high": 400.0, "low": 100.0}
    run = Run(first, second)
    assert run.go("AAPL") == {"AAPL": "alphavantage"}
    assert run.metric("fetch_failures_total", source="yahoo", reason="BadPayload") == 1


def test_a_sample_of_symbols_is_checked_against_the_next_source() -> None:
    first, second = Scripted("yahoo"), Scripted("alphavantage")
    second.answer = lambda query: {"close": 180.0} if query.symbol == "IBM" else None
    run = Run(first, second, cross_check_symbols=2)
    assert run.go("AAPL", "IBM") == {"AAPL": "yahoo", "IBM": "yahoo"}
    assert {(each.symbol, each.field) for each in run.summary.differences} == {("IBM", "close")}
    assert run.summary.differences[0].values == {"yahoo": 185.0, "alphavantage": 180.0}
    labels = {"source": "yahoo", "other": "alphavantage", "field": "close"}
    assert run.metric("cross_check_differences_total", **labels) == 5
    # Nothing is averaged: what was sent is the first source's.
    assert {bar.close for bar in run.bars.bars} == {185.0}
    assert len(second.asked) == 2


def bar(day: str, **changes: Any) -> DailyBar:
    return records.bar(date=day, is_final=True, source="yahoo", **changes)


@pytest.mark.parametrize(
    ("ours", "others", "fields"),
    [
        ([bar("2026-11-20")], [bar("2026-11-20", close=185.9)], []),
        ([bar("2026-11-20")], [bar("2026-11-20", close=186.0)], ["close"]),
        ([bar("2026-11-20")], [bar("2026-11-20", volume=1_100_000)], []),
        ([bar("2026-11-20")], [bar("2026-11-20", volume=1_200_000)], ["volume"]),
        ([bar("2026-11-20")], [bar("2026-11-19"), bar("2026-11-20")], ["missing"]),
        ([bar("2026-11-20")], [records.bar(date="2026-11-20", close=190.0, is_final=False)], ["missing"]),
    ],
)
def test_tolerances(ours: list[DailyBar], others: list[DailyBar], fields: list[str]) -> None:
    assert [each.field for each in compare(ours, others, "alphavantage", [])] == fields


def test_bars_before_a_split_are_not_compared() -> None:
    before = {"open": 45.0, "high": 47.0, "low": 44.0, "close": 46.0}
    ours = [bar("2026-11-19", **before), bar("2026-11-20")]
    assert compare(ours, [bar("2026-11-19"), bar("2026-11-20")], "other", [action("AAPL", **SPLIT)]) == []
    assert compare(ours, [bar("2026-11-19"), bar("2026-11-20")], "other", []) != []
