"""A whole trading day at 200 symbols on a clock held by hand."""

import random
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry

from stockpipe.common import calendar
from stockpipe.common.metrics import ProducerMetrics
from stockpipe.producer.realtime import open_symbols, send_rounds
from stockpipe.producer.rounds import QuoteRounds
from stockpipe.producer.schedule import live_rounds
from stockpipe.producer.sources.base import QuoteSource
from stockpipe.producer.sources.budget import Budget
from stockpipe.producer.sources.health import Health
from stockpipe.producer.sources.limits import parse_limits
from stockpipe.producer.sources.line import Line, run_here
from stockpipe.producer.sources.meter import Meter
from stockpipe.producer.sources.volumes import Volumes
from stockpipe.producer.sources.yahoo_client import YahooClient
from stockpipe.producer.sources.yahoo_quotes import YahooQuotes
from stockpipe.producer.symbols import Instrument
from support.clocks import ManualClock
from support.landing import quiet_log
from support.memory_store import MemoryStore
from support.senders import Recorder
from support.yahoo import quote_answer, quote_of

BUDGET = ("2/second", "30/minute", "10000/day")
INTERVAL = timedelta(seconds=30)
SYMBOLS = {f"S{number:03d}": Instrument(f"S{number:03d}", "XNYS") for number in range(200)}
SESSION = calendar.sessions("XNYS", datetime(2026, 11, 24).date(), datetime(2026, 11, 24).date())[0]
SHARES_A_SECOND = 10


class TradingYahoo(YahooClient):
    """Every symbol trades every second of the session; an answer takes `seconds`."""

    def __init__(self, meter: Meter, clock: ManualClock, seconds: float) -> None:
        self._meter = meter
        self._clock = clock
        self._seconds = seconds

    def quotes(self, symbols: tuple[str, ...]) -> bytes:
        self._meter.before()
        self._clock.advance(self._seconds)
        self._meter.after(200)
        at = min(self._clock.now().replace(microsecond=0), SESSION.close)
        volume = int((at - SESSION.open).total_seconds()) * SHARES_A_SECOND
        return quote_answer([quote_of(symbol, at, 100.0, volume) for symbol in symbols]).encode()


class Day:
    """A producer that runs from before the open until after the close."""

    def __init__(self, seconds: float, budget: tuple[str, ...] = BUDGET) -> None:
        self.seconds = seconds
        self.budget = budget
        self.store = MemoryStore()
        self.registry = CollectorRegistry()
        self.metrics = ProducerMetrics(self.registry)
        self.sender = Recorder()
        self.clock = ManualClock(datetime(2026, 11, 24, 13, 0, tzinfo=UTC))
        self.ages: list[float] = []
        self.quota_left = 0.0

    def run(self, until: datetime) -> None:
        """Start a process, with nothing but the lake from the one before, and stop it at `until`."""
        log, stop = quiet_log(), threading.Event()
        budget = Budget("yahoo", parse_limits(self.budget), self.store, self.clock, "test")
        self.meter = Meter("yahoo", budget, self.metrics, 0)
        client = TradingYahoo(self.meter, self.clock, self.seconds)
        source = YahooQuotes(client, SYMBOLS, Volumes("yahoo", self.store, log), self.clock)
        health = Health("yahoo", self.store, self.clock, random.Random(1), self.metrics, log)
        line: Line[QuoteSource] = Line("yahoo", source, health, self.meter)
        quotes = QuoteRounds([line], INTERVAL, self.sender, self.clock, lambda: "abc123", self.metrics, log, run_here)
        exchange_of = dict.fromkeys(SYMBOLS, "XNYS")

        def instants() -> Iterator[tuple[datetime, list[str]]]:
            for at in live_rounds(INTERVAL, ["XNYS"], self.clock, stop, self.metrics, log):
                if at >= until:
                    return
                if found := open_symbols(exchange_of, at, always=False):
                    yield at, found
                self.ages.append(self.metric("oldest_quote_seconds"))
                self.quota_left = self.metric("quota_remaining", source="yahoo")

        self.summary = send_rounds(instants(), quotes, self.sender)

    def metric(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(f"stockpipe_producer_{name}", labels) or 0.0

    @property
    def calls(self) -> float:
        return self.metric("source_calls_total", source="yahoo", status="200")


AFTERNOON = datetime(2026, 11, 24, 16, 30, 15, tzinfo=UTC)
EVENING = datetime(2026, 11, 25, 14, 0, tzinfo=UTC)


def test_a_day_at_200_symbols() -> None:
    day = Day(seconds=0.4)
    day.run(EVENING)
    counts = Counter(quote.symbol for quote in day.sender.quotes)
    # From 14:30:00 to 21:00:30, every 30 s, 4 calls of 50 symbols each.
    assert day.summary.rounds == 782
    assert day.calls == 782 * 4
    assert day.metric("rounds_skipped_total") == 0
    assert day.summary.failed_rounds == 0
    # The last round, after the close, brings nothing new.
    assert set(counts.values()) == {781}
    assert len(day.sender.quotes) == 156_200
    assert len({(quote.symbol, quote.event_time) for quote in day.sender.quotes}) == 156_200
    assert max(day.ages) == 0
    assert 10_000 - day.calls >= day.quota_left >= 10_000 - day.calls - 100
    total = Counter[str]()
    for quote in day.sender.quotes:
        total[quote.symbol] += quote.volume
    first = min(quote.event_time for quote in day.sender.quotes)
    assert first < "2026-11-24T14:30:10"
    # All of the day's shares but those before the first quote, the growth of which is unknown.
    assert min(total.values()) > 23_400 * SHARES_A_SECOND * 0.999


def test_a_restart_in_the_middle_of_the_day_loses_no_share_and_no_call() -> None:
    through, restarted = Day(seconds=0.4), Day(seconds=0.4)
    through.run(AFTERNOON)
    for until in (datetime(2026, 11, 24, 15, 30, 15, tzinfo=UTC), AFTERNOON):
        restarted.run(until)
    # It starts again within a round, and its first round is the next.
    assert restarted.calls == through.calls - 4
    volumes = [sum(quote.volume for quote in day.sender.quotes) for day in (through, restarted)]
    assert volumes[0] == volumes[1]
    # The block of calls that the first process held is forfeited.
    assert 0 <= through.quota_left - restarted.quota_left <= 100


@pytest.mark.parametrize(("seconds", "oldest"), [(9.0, 30), (40.0, 240)])
def test_slow_answers_pile_up_no_rounds_and_the_stalest_symbols_come_first(seconds: float, oldest: float) -> None:
    day = Day(seconds)
    day.run(AFTERNOON)
    starts = [quote.event_time for quote in day.sender.quotes]
    assert starts == sorted(starts)
    wanted = 2 * 60 * 2 + 1
    assert day.summary.rounds + day.metric("rounds_skipped_total") == pytest.approx(wanted, abs=2)
    assert day.summary.failed_rounds == 0
    assert len({quote.symbol for quote in day.sender.quotes}) == 200
    assert max(day.ages) <= oldest


def test_a_day_with_a_quarter_of_the_budget_spends_it_all_and_never_more() -> None:
    day = Day(0.4, ("2/second", "30/minute", "800/day"))
    day.run(EVENING)
    assert day.calls == 800
    assert day.quota_left == 0
    assert day.summary.failed_rounds == 782 - 200
