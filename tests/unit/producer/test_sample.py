from datetime import UTC, date, datetime, timedelta

import pytest

from stockpipe.common import calendar
from stockpipe.common.contracts import daily_bar
from stockpipe.producer.sources.base import BarQuery, Fetch
from stockpipe.producer.sources.errors import NoData
from stockpipe.producer.sources.sample import SampleBars, SampleQuotes
from stockpipe.producer.sources.sample_data import sample_rows

FETCH = Fetch("sample-1", "2026-11-23T14:30:00.000Z", "20261123T143000Z-daily")
EVER = (date(1990, 1, 1), date(2026, 1, 1))
HALF_MINUTE = timedelta(seconds=30)


def test_there_are_more_than_ten_thousand_real_bars_and_all_keep_the_contract() -> None:
    source, bars = SampleBars(), []
    for symbol in sample_rows():
        query = BarQuery(symbol, *EVER)
        bars += source.parse_bars(query, source.fetch_bars(query), FETCH).bars
    assert len(bars) == 12_154 + 2 * 5_031
    assert {bar.symbol for bar in bars} == {"AAPL", "FB", "GOOG", "IBM", "MSFT", "^GSPC", "^IXIC"}
    assert [daily_bar.fault(bar) for bar in bars if daily_bar.fault(bar)] == []
    stocks = {(bar.symbol, bar.exchange) for bar in bars if bar.symbol[0] != "^"}
    assert stocks == {("AAPL", "XNAS"), ("FB", "XNAS"), ("GOOG", "XNAS"), ("IBM", "XNYS"), ("MSFT", "XNAS")}
    assert {bar.exchange for bar in bars if bar.symbol[0] == "^"} == {None}


def test_every_bar_lies_on_a_session_of_the_exchange() -> None:
    days = {row["Date"] for row in sample_rows()["AAPL"]}
    assert len(days) == 3_270
    assert all(calendar.session("XNYS", date.fromisoformat(day)) for day in days)


def test_the_query_bounds_are_included() -> None:
    query = BarQuery("AAPL", date(2000, 3, 1), date(2000, 3, 3))
    source = SampleBars()
    payload = source.fetch_bars(query)
    bars = source.parse_bars(query, payload, FETCH).bars
    assert [bar.date for bar in bars] == ["2000-03-01", "2000-03-02", "2000-03-03"]
    assert (bars[0].open, bars[0].high, bars[0].low, bars[0].close, bars[0].volume) == (
        118.56,
        132.06,
        118.5,
        130.31,
        9_616_100,
    )
    assert (bars[0].origin, bars[0].is_final, bars[0].batch_id) == ("backfill", True, FETCH.batch_id)
    assert payload.request == "sample bars AAPL 2000-03-01..2000-03-03"


def test_an_unknown_symbol_is_named_with_the_known_ones() -> None:
    with pytest.raises(NoData, match=r"sample, TSLA: unknown symbol; the sample has AAPL, FB, GOOG"):
        SampleBars().fetch_bars(BarQuery("TSLA", *EVER))


def test_a_range_without_sessions_has_no_data() -> None:
    query = BarQuery("FB", date(2000, 1, 1), date(2001, 1, 1))
    with pytest.raises(NoData, match="no session between"):
        SampleBars().parse_bars(query, SampleBars().fetch_bars(query), FETCH)


def test_a_session_of_quotes_touches_exactly_the_real_bar() -> None:
    session = calendar.session("XNYS", date(2013, 3, 1))
    assert session is not None
    source = SampleQuotes(["AAPL", "MSFT"], session, "XNYS", HALF_MINUTE, seed=7)
    quotes = []
    at = session.open
    while at <= session.close:
        quotes += source.quotes(["AAPL", "MSFT"], at, FETCH).quotes
        at += HALF_MINUTE
    row = next(row for row in sample_rows()["AAPL"] if row["Date"] == "2013-03-01")
    aapl = [quote for quote in quotes if quote.symbol == "AAPL"]
    prices = [quote.price for quote in aapl]
    assert len(aapl) == 781
    assert (prices[0], max(prices), min(prices), prices[-1]) == tuple(
        float(row[name]) for name in ("Open", "High", "Low", "Close")
    )
    assert sum(quote.volume for quote in aapl) == int(row["Volume"])
    assert (aapl[0].event_time, aapl[-1].event_time) == ("2013-03-01T14:30:00.000Z", "2013-03-01T21:00:00.000Z")
    assert {quote.origin for quote in quotes} == {"simulated"}


def test_without_a_session_quotes_are_redated_to_now() -> None:
    source = SampleQuotes(["AAPL"], None, "XNYS", HALF_MINUTE, seed=7)
    now = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
    found = [source.quotes(["AAPL"], now + tick * HALF_MINUTE, FETCH).quotes[0] for tick in range(782)]
    assert found[0].event_time == "2026-11-23T03:00:00.000Z"
    assert found[1].event_time == "2026-11-23T03:00:30.000Z"
    # After one session's ticks the next session follows.
    opens = {float(row["Open"]) for row in sample_rows()["AAPL"]}
    assert found[0].price in opens
    assert found[781].price in opens


def test_a_symbol_that_did_not_trade_on_the_day_is_left_out() -> None:
    session = calendar.session("XNYS", date(2010, 3, 1))
    assert session is not None
    source = SampleQuotes(["FB", "IBM"], session, "XNYS", HALF_MINUTE, seed=7)
    assert [quote.symbol for quote in source.quotes(["FB", "IBM"], session.open, FETCH).quotes] == ["IBM"]
    with pytest.raises(NoData, match="no symbol traded on 2010-03-01"):
        source.quotes(["FB"], session.open, FETCH)
