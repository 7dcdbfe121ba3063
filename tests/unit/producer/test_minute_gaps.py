"""Minutes without a quote: found by the calendar, filled from Yahoo's bars of one minute."""

import random
from datetime import UTC, date, datetime, timedelta
from typing import Any

from prometheus_client import CollectorRegistry

from stockpipe.common import calendar
from stockpipe.common.metrics import ProducerMetrics
from stockpipe.common.times import from_text, to_text
from stockpipe.producer.minute_fill import MinuteFill
from stockpipe.producer.minute_gaps import MinuteGap, Minutes, find_minute_gaps
from stockpipe.producer.sources.line import Line
from stockpipe.producer.sources.yahoo_minutes import YahooMinutes
from stockpipe.producer.symbols import Instrument
from support import records
from support.clocks import ManualClock
from support.landing import quiet_log
from support.memory_store import MemoryStore
from support.raw_lake import QUOTES, land_quotes
from support.senders import Recorder
from support.yahoo import Answer, chart
from unit.producer.conftest import MakeYahoo

HALF_DAY = date(2026, 11, 27)
NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
AAPL = Instrument("AAPL", "XNYS")
OPEN = datetime(2026, 11, 27, 14, 30, tzinfo=UTC)
"""The half day after Thanksgiving trades for 210 minutes."""


def at(minute: int) -> datetime:
    return OPEN + timedelta(minutes=minute)


def lake(*missing: range) -> MemoryStore:
    """Return a lake with two quotes of each minute of the half day, but for the missing ones."""
    store = MemoryStore()
    left_out = {minute for part in missing for minute in part}
    present = [minute for minute in range(210) if minute not in left_out]
    times = [at(minute) + timedelta(seconds=second) for minute in present for second in (5, 35)]
    land_quotes(store, [records.quote(event_time=to_text(time)) for time in times])
    return store


def look(store: MemoryStore, *, down: bool = False, now: datetime = NOW) -> list[MinuteGap]:
    minutes = Minutes(store, QUOTES, ["AAPL"], date(2026, 11, 26), date(2026, 11, 28))
    (account,) = find_minute_gaps([AAPL], minutes, date(2026, 11, 26), date(2026, 11, 28), now, down)
    assert account.expected == account.present + sum(gap.minutes for gap in account.gaps)
    return account.gaps


def test_a_complete_half_day_after_a_holiday_has_no_gap() -> None:
    assert look(lake()) == []


def test_missing_minutes_are_listed_as_intervals_with_their_reason() -> None:
    store = lake(range(1), range(100, 104))
    assert look(store) == [
        MinuteGap("AAPL", HALF_DAY, at(0), at(0), 1, "not_fetched"),
        MinuteGap("AAPL", HALF_DAY, at(100), at(103), 4, "not_fetched"),
    ]
    assert {gap.reason for gap in look(store, down=True)} == {"source_down"}


def test_a_session_counts_only_once_it_has_ended() -> None:
    assert look(lake(range(5)), now=at(209)) == []


def test_a_lunch_break_is_no_gap() -> None:
    (session,) = calendar.sessions("XTKS", date(2026, 11, 24), date(2026, 11, 24))
    minutes = calendar.trading_minutes("XTKS", session)
    assert len(minutes) < (session.close - session.open) / timedelta(minutes=1)
    assert minutes[0] == session.open


class Fill:
    """A fill from a Yahoo that has a bar of every minute but some."""

    def __init__(self, make: MakeYahoo, store: MemoryStore, *untraded: int, now: datetime = NOW) -> None:
        self.clock = ManualClock(now)
        self.sent = Recorder()
        times = [at(minute) for minute in range(210) if minute not in untraded]
        rows: list[dict[str, Any]] = [
            {"time": int(t.timestamp()), "open": 9.0, "high": 11.0, "low": 8.0, "close": 10.0, "volume": 50}
            for t in times
        ]

        def answer(symbol: str, query: dict[str, str]) -> Answer:
            assert query["interval"] == "1m"
            return 200, chart(symbol, rows)

        self.yahoo = make(answer)
        minutes = Minutes(store, QUOTES, ["AAPL"], HALF_DAY, HALF_DAY)
        metrics, log = ProducerMetrics(CollectorRegistry()), quiet_log()
        line = Line("yahoo", YahooMinutes(self.yahoo.client, self.clock))
        accounts = find_minute_gaps([AAPL], minutes, HALF_DAY, HALF_DAY, now, False)
        rng = random.Random(1)
        fill = MinuteFill(line, minutes, self.sent, self.clock, lambda: "abc123", rng, metrics, log)
        self.summary = fill.run(accounts, [AAPL])

    @property
    def filled(self) -> list[tuple[datetime, int]]:
        return [(from_text(quote.event_time), quote.volume) for quote in self.sent.quotes]


def test_fill_sends_the_last_price_of_the_missing_minutes_and_nothing_else(yahoo: MakeYahoo) -> None:
    fill = Fill(yahoo, lake(range(100, 102)))
    assert [time for time, _volume in fill.filled] == [
        at(minute) + timedelta(seconds=59, milliseconds=999) for minute in (100, 101)
    ]
    assert {(quote.price, quote.origin, quote.source) for quote in fill.sent.quotes} == {(10.0, "backfill", "yahoo")}
    assert len(fill.yahoo.fake.asked("/finance/chart/")) == 1


def test_shares_that_a_later_quote_has_counted_are_not_counted_again(yahoo: MakeYahoo) -> None:
    """A quote's volume is the growth since the quote before it; only after the last quote nobody counted."""
    fill = Fill(yahoo, lake(range(100, 101), range(209, 210)))
    assert [volume for _time, volume in fill.filled] == [0, 50]


def test_a_minute_without_a_trade_is_remembered_and_not_asked_for_again(yahoo: MakeYahoo) -> None:
    store = lake(range(100, 101))
    fill = Fill(yahoo, store, 100)
    assert (fill.filled, fill.summary.no_trade, fill.summary.failed) == ([], 1, {})
    assert look(store) == [MinuteGap("AAPL", HALF_DAY, at(100), at(100), 1, "no_trade")]
    assert Fill(yahoo, store).yahoo.fake.requests == []


def test_minutes_that_are_too_long_ago_are_not_asked_for(yahoo: MakeYahoo) -> None:
    fill = Fill(yahoo, lake(range(100, 101)), now=NOW + timedelta(days=40))
    assert fill.summary.failed == {
        "AAPL": "bars of 1m reach back 30 days, to 2026-12-09, not to 2026-11-27; ask for fewer"
    }
    assert fill.yahoo.fake.asked("/finance/chart/") == []
