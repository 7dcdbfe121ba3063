from datetime import UTC, date, datetime
from typing import Any

from stockpipe.common import calendar
from stockpipe.common.lake.store import ObjectStore
from stockpipe.producer.gaps import Gap, Sessions, fill, find_gaps
from stockpipe.producer.sources.errors import NoData, SourceError, SourceUnavailable
from stockpipe.producer.symbols import Instrument
from support import records
from support.memory_store import MemoryStore
from support.raw_lake import BARS, land_bars
from unit.producer.test_batch import Run, Scripted

FIRST, LAST = date(2026, 11, 16), date(2026, 11, 24)
SETTLED = datetime(2026, 11, 24, 21, 30, tzinfo=UTC)
AAPL = Instrument("AAPL", "XNYS")
WEEK = [each.day.isoformat() for each in calendar.sessions("XNYS", FIRST, LAST)]


def lake(*missing: str, **changes: Any) -> MemoryStore:
    store = MemoryStore()
    days = [day for day in WEEK if day not in missing]
    land_bars(store, [records.bar(date=day, **({"is_final": True} | changes)) for day in days])
    return store


def look(store: ObjectStore, down: bool = False, settled: datetime = SETTLED, last: date = LAST) -> list[Gap]:
    sessions = Sessions(store, BARS, ["AAPL"], FIRST, last)
    (account,) = find_gaps([AAPL], sessions, FIRST, last, settled, down)
    assert account.expected == account.present + sum(gap.sessions for gap in account.gaps)
    return account.gaps


def test_a_complete_week_has_no_gap_and_a_weekend_is_none() -> None:
    assert look(lake()) == []


def test_missing_sessions_are_listed_as_ranges_with_their_reason() -> None:
    store = lake("2026-11-18", "2026-11-19", "2026-11-20", "2026-11-24")
    assert look(store) == [
        Gap("AAPL", date(2026, 11, 18), date(2026, 11, 20), 3, "not_fetched"),
        Gap("AAPL", date(2026, 11, 24), date(2026, 11, 24), 1, "not_fetched"),
    ]
    assert {gap.reason for gap in look(store, down=True)} == {"source_down"}


def test_a_holiday_is_no_gap() -> None:
    # Thanksgiving: the 26th; without the 25th and 27th those are the only gaps.
    gaps = look(lake(), settled=datetime(2026, 11, 28, tzinfo=UTC), last=date(2026, 11, 28))
    assert gaps == [Gap("AAPL", date(2026, 11, 25), date(2026, 11, 27), 2, "not_fetched")]


def test_a_session_counts_only_once_it_has_settled() -> None:
    assert look(lake("2026-11-24"), settled=datetime(2026, 11, 24, 20, 59, tzinfo=UTC)) == []


def test_a_bar_of_the_unfinished_session_is_not_enough() -> None:
    assert [gap.reason for gap in look(lake(is_final=False))] == ["not_final"]


def go(store: MemoryStore, *sources: Scripted, last: date = LAST) -> Run:
    run = Run(*sources, store=store)
    sessions = Sessions(store, BARS, ["AAPL"], FIRST, last)
    fill(find_gaps([AAPL], sessions, FIRST, last, SETTLED, False), [AAPL], sessions, run.run, run.clock)
    return run


def test_fill_fetches_only_what_is_missing() -> None:
    source = Scripted("yahoo")
    run = go(lake("2026-11-18", "2026-11-19", "2026-11-24"), source)
    assert [(query.first, query.last) for query in source.asked] == [
        (date(2026, 11, 18), date(2026, 11, 19)),
        (date(2026, 11, 24), date(2026, 11, 24)),
    ]
    assert [bar.date for bar in run.bars.bars] == ["2026-11-18", "2026-11-19", "2026-11-24"]


def test_a_session_without_a_trade_is_remembered_and_not_asked_for_again() -> None:
    store, source = lake("2026-11-18"), Scripted("yahoo")
    source.answer = lambda _query: NoData("yahoo", "AAPL", "no prices in this range", is_empty=True)
    assert go(store, source).run.summary.failed == {}
    assert [gap.reason for gap in look(store)] == ["no_trade"]
    go(store, source)
    assert len(source.asked) == 1


def test_a_source_that_is_down_or_knows_no_such_symbol_proves_nothing() -> None:
    errors: list[SourceError] = [NoData("yahoo", "AAPL", "may be delisted"), SourceUnavailable("yahoo", "AAPL", "500")]
    for error in errors:
        store, source = lake("2026-11-18"), Scripted("yahoo")
        source.answer = lambda _query, error=error: error  # type: ignore[misc]
        assert list(go(store, source).run.summary.failed) == ["AAPL"]
        assert [gap.reason for gap in look(store)] == ["not_fetched"]


def silent(name: str, **what: bool) -> Scripted:
    source = Scripted(name)
    source.answer = lambda _query: NoData(name, "AAPL", "may be delisted", **what)
    return source


def test_a_symbol_of_which_two_sources_have_nothing_for_five_sessions_is_delisted_and_not_asked_for_again() -> None:
    store = lake(*WEEK[2:])
    yahoo, other = silent("yahoo", is_empty=True), silent("alphavantage", disowned=True)
    assert go(store, yahoo, other).run.summary.failed == {}
    assert look(store) == [Gap("AAPL", date(2026, 11, 18), date(2026, 11, 24), 5, "delisted")]
    go(store, yahoo, other)
    assert (len(yahoo.asked), len(other.asked)) == (1, 1)


def test_one_source_or_four_sessions_or_later_bars_are_no_delisting() -> None:
    both = [silent("yahoo", disowned=True), silent("alphavantage", disowned=True)]
    for missing, sources in ((WEEK[2:], both[:1]), (WEEK[3:], both), (WEEK[:5], both)):
        store = lake(*missing)
        assert list(go(store, *sources).run.summary.failed) == ["AAPL"]
        assert {gap.reason for gap in look(store)} == {"not_fetched"}
