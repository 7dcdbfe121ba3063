import time
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest

from stockpipe.common.contracts import corporate_action, daily_bar
from stockpipe.producer.sources.bars import jump_fault
from stockpipe.producer.sources.base import BarQuery, Fetch, Parsed, Payload
from stockpipe.producer.sources.errors import (
    BadPayload,
    NoData,
    QuotaExhausted,
    RateLimited,
    SourceError,
    SourceUnavailable,
)
from stockpipe.producer.sources.yahoo_bars import YahooBars
from support.yahoo import Answer, bars_of, chart, chart_error
from unit.producer.conftest import MakeYahoo

FETCH = Fetch("yahoo-1", "2026-11-24T22:30:00.000Z", "20261124T223000Z-daily")
WEEK = ["2026-11-18", "2026-11-19", "2026-11-20", "2026-11-23", "2026-11-24"]
QUERY = BarQuery("AAPL", date(2026, 11, 18), date(2026, 11, 24))
SETTLE = timedelta(hours=1)
HTML = "<html><body>Will be back</body></html>"


def always(status: int, body: str) -> Callable[[str, dict[str, str]], Answer]:
    return lambda _symbol, _query: (status, body)


def fetched(make: MakeYahoo, body: str, query: BarQuery = QUERY, fetch: Fetch = FETCH) -> Parsed:
    source = YahooBars(make(always(200, body)).client, SETTLE)
    return source.parse_bars(query, source.fetch_bars(query), fetch)


def test_bars_keep_both_closes_and_their_session_dates(yahoo: MakeYahoo) -> None:
    made = yahoo(always(200, chart("AAPL", bars_of(WEEK))))
    source = YahooBars(made.client, SETTLE)
    payload = source.fetch_bars(QUERY)
    parsed = source.parse_bars(QUERY, payload, FETCH)
    assert [bar.date for bar in parsed.bars] == WEEK
    assert (parsed.bars[0].close, parsed.bars[0].adj_close) == (100.0, 99.0)
    assert [daily_bar.fault(bar) for bar in parsed.bars] == [None] * 5
    assert (parsed.refused, parsed.actions) == ({}, [])
    assert payload.request == "yahoo chart AAPL interval=1d 2026-11-18..2026-11-24 auto_adjust=false actions=true"
    (url,) = made.fake.asked("/finance/chart/AAPL")
    assert "period1=1763442000" not in url
    assert "interval=1d" in url
    assert "user-agent" not in url.lower()


def test_one_symbol_costs_one_call_and_cookie_and_crumb_are_counted_too(yahoo: MakeYahoo) -> None:
    made = yahoo(lambda symbol, _query: (200, chart(symbol, bars_of(WEEK))))
    source = YahooBars(made.client, SETTLE)
    for symbol in ("AAPL", "MSFT", "IBM"):
        source.fetch_bars(BarQuery(symbol, QUERY.first, QUERY.last))
    assert len(made.fake.asked("/finance/chart/")) == 3
    assert made.meter.requests == len(made.fake.requests)
    assert made.meter.left() == 1000 - len(made.fake.requests)


def test_the_last_bar_is_final_only_after_the_close_and_the_settle_delay(yahoo: MakeYahoo) -> None:
    body = chart("AAPL", bars_of(WEEK))
    for at, final in (("21:59:59.999", False), ("22:00:00.000", True)):
        fetch = Fetch("yahoo-1", f"2026-11-24T{at}Z", FETCH.batch_id)
        assert [bar.is_final for bar in fetched(yahoo, body, fetch=fetch).bars] == [True] * 4 + [final]


def test_a_half_day_is_final_earlier_and_a_holiday_has_no_bar(yahoo: MakeYahoo) -> None:
    # Thanksgiving is the 26th, the 27th closes at 13:00.
    query = BarQuery("AAPL", date(2026, 11, 25), date(2026, 11, 27))
    body = chart("AAPL", bars_of(["2026-11-25", "2026-11-26", "2026-11-27"]))
    parsed = fetched(yahoo, body, query, Fetch("yahoo-1", "2026-11-27T19:00:00.000Z", FETCH.batch_id))
    assert [(bar.date, bar.is_final) for bar in parsed.bars] == [("2026-11-25", True), ("2026-11-27", True)]
    assert parsed.refused == {"no_session": 1}


def test_split_and_dividend_days_carry_actions(yahoo: MakeYahoo) -> None:
    body = chart("AAPL", bars_of(WEEK), splits={"2026-11-20": (4, 1)}, dividends={"2026-11-19": 0.25})
    parsed = fetched(yahoo, body)
    assert [(bar.split_ratio, bar.dividend) for bar in parsed.bars[:3]] == [(1.0, 0.0), (1.0, 0.25), (4.0, 0.0)]
    assert [(each.kind, each.ex_date, each.ratio, each.amount) for each in parsed.actions] == [
        ("dividend", "2026-11-19", None, 0.25),
        ("split", "2026-11-20", 4.0, None),
    ]
    assert [corporate_action.fault(each) for each in parsed.actions] == [None, None]
    assert jump_fault(parsed.bars, parsed.actions, True) is None


def test_a_jump_by_a_hundred_is_another_unit_unless_a_split_says_so(yahoo: MakeYahoo) -> None:
    rows = bars_of(WEEK)
    for row in rows[:2]:
        row.update({name: row[name] * 100 for name in ("open", "high", "low", "close")})
    parsed = fetched(yahoo, chart("AAPL", rows))
    assert "another unit" in str(jump_fault(parsed.bars, parsed.actions, False))
    parsed = fetched(yahoo, chart("AAPL", rows, splits={"2026-11-20": (100, 1)}))
    assert jump_fault(parsed.bars, parsed.actions, False) is None


@pytest.mark.parametrize(
    ("factor", "words"),
    [(4.0, "4:1 of 2026-11-20 is not applied"), (0.25, "applied twice")],
)
def test_wrongly_adjusted_bars_before_a_split_are_found(yahoo: MakeYahoo, factor: float, words: str) -> None:
    rows = bars_of(WEEK)
    for row in rows[:2]:
        row.update({name: row[name] * factor for name in ("open", "high", "low", "close")})
    parsed = fetched(yahoo, chart("AAPL", rows, splits={"2026-11-20": (4, 1)}))
    assert words in str(jump_fault(parsed.bars, parsed.actions, True))


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/Los_Angeles"])
def test_the_host_time_zone_does_not_matter(yahoo: MakeYahoo, zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert [bar.date for bar in fetched(yahoo, chart("AAPL", bars_of(WEEK))).bars] == WEEK
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    ("days", "exchange", "zone"),
    [
        # Clocks change on Sunday 2026-11-01 in New York, on 2026-10-25 in London, on 2026-10-04 in Sydney.
        (["2026-10-30", "2026-11-02"], "XNYS", "America/New_York"),
        (["2026-10-23", "2026-10-26"], "XLON", "Europe/London"),
        (["2026-10-02", "2026-10-06"], "XASX", "Australia/Sydney"),
    ],
)
def test_days_around_a_change_of_the_clocks_keep_their_dates(
    yahoo: MakeYahoo, days: list[str], exchange: str, zone: str
) -> None:
    query = BarQuery("X", date.fromisoformat(days[0]), date.fromisoformat(days[-1]), exchange)
    parsed = fetched(yahoo, chart("X", bars_of(days, zone=zone), zone=zone), query)
    assert [bar.date for bar in parsed.bars] == days


def test_prices_in_pence_become_pounds(yahoo: MakeYahoo) -> None:
    query = BarQuery("VOD.L", QUERY.first, QUERY.last, "XLON")
    body = chart("VOD.L", bars_of(WEEK, zone="Europe/London"), "Europe/London", "GBp", dividends={"2026-11-19": 4.5})
    parsed = fetched(yahoo, body, query)
    assert (parsed.bars[0].currency, parsed.bars[0].close) == ("GBP", 1.0)
    assert parsed.actions[0].amount == 0.045


def with_row(position: int, **changes: Any) -> str:
    rows = bars_of(WEEK)
    rows[position].update(changes)
    return chart("AAPL", rows)


@pytest.mark.parametrize(
    ("body", "refused", "left"),
    [
        (with_row(4, open=None, high=None, low=None, close=None), {"no_number": 1}, 4),
        (with_row(4, open=None), {"no_number": 1}, 4),
        (with_row(1, low=500.0), {"out_of_bounds": 1}, 4),
        (with_row(1, close=-1.0), {"no_number": 1}, 4),
        (chart("AAPL", [*bars_of(WEEK[:3]), *bars_of(WEEK[2:3], 777.0), *bars_of(WEEK[3:], 103.0)]), {}, 5),
    ],
    ids=["NaN bar with volume", "NaN open", "low above high", "negative close", "duplicate bar"],
)
def test_a_bad_row_is_refused_with_its_reason_and_the_others_stay(
    yahoo: MakeYahoo, body: str, refused: dict[str, int], left: int
) -> None:
    parsed = fetched(yahoo, body)
    assert (parsed.refused, len(parsed.bars)) == (refused, left)
    assert 777.0 not in [bar.close for bar in parsed.bars]


def test_a_future_bar_is_refused(yahoo: MakeYahoo) -> None:
    fetch = Fetch("yahoo-1", "2026-11-23T22:30:00.000Z", FETCH.batch_id)
    parsed = fetched(yahoo, chart("AAPL", bars_of(WEEK)), fetch=fetch)
    assert (parsed.refused, len(parsed.bars)) == ({"future": 1}, 4)


@pytest.mark.parametrize(
    ("status", "body", "error", "words"),
    [
        (429, "Edge: Too Many Requests", RateLimited, "429"),
        (401, '{"finance": {"result": null, "error": {"code": "Unauthorized"}}}', SourceUnavailable, "answered 401"),
        (500, HTML, SourceUnavailable, "answered 500"),
        (503, "", SourceUnavailable, "answered 503"),
        (200, "", BadPayload, "can't be read"),
        (200, HTML, BadPayload, "can't be read: JSONDecodeError"),
        (200, chart("AAPL", bars_of(WEEK))[:300], BadPayload, "can't be read"),
        (200, "[]", BadPayload, "can't be read"),
        (200, chart("MSFT", bars_of(WEEK)), BadPayload, "the answer is about 'MSFT'"),
        (200, chart("AAPL", []), NoData, "no prices in this range"),
        (404, chart_error("Not Found", "No data found, symbol may be delisted"), NoData, "may be delisted"),
        (200, chart("AAPL", bars_of(WEEK), currency=""), BadPayload, "currency"),
        (200, with_row(0)[:-2] + ', "x": 1}}', None, ""),
    ],
    ids=[
        "429 storm",
        "401",
        "500",
        "503",
        "empty body",
        "HTML instead of JSON",
        "truncated JSON",
        "a list",
        "wrong symbol",
        "no bars",
        "delisted or unknown",
        "no currency",
        "unknown extra field",
    ],
)
def test_bad_answers(yahoo: MakeYahoo, status: int, body: str, error: type[SourceError] | None, words: str) -> None:
    made = yahoo(always(status, body))
    source = YahooBars(made.client, SETTLE)
    if error is None:
        assert source.parse_bars(QUERY, source.fetch_bars(QUERY), FETCH).bars
        return
    with pytest.raises(error, match=words) as found:
        source.parse_bars(QUERY, source.fetch_bars(QUERY), FETCH)
    assert (found.value.source, found.value.symbol) == ("yahoo", "AAPL")
    # yfinance sends a request again after an error; each is counted.
    assert (made.calls(str(status)) or 0) >= len(made.fake.asked("/chart/"))
    assert made.all_calls() == len(made.fake.requests)
    assert made.meter.requests == len(made.fake.requests)


def test_a_failed_answer_is_not_kept(yahoo: MakeYahoo) -> None:
    answers = [(500, HTML), (500, HTML), (200, chart("AAPL", bars_of(WEEK)))]
    past = BarQuery("AAPL", date(2020, 11, 18), date(2026, 11, 23))
    source = YahooBars(yahoo(lambda _symbol, _query: answers.pop(0)).client, SETTLE)
    with pytest.raises(SourceUnavailable):
        source.fetch_bars(past)
    assert source.fetch_bars(past).body


def test_no_request_leaves_without_a_call_of_the_budget(yahoo: MakeYahoo) -> None:
    made = yahoo(always(500, HTML), calls=4)
    source = YahooBars(made.client, SETTLE)
    with pytest.raises(QuotaExhausted, match="all 4 calls"):
        source.fetch_bars(QUERY)
    assert len(made.fake.requests) == 4


def test_a_network_that_is_down_is_no_answer(yahoo: MakeYahoo) -> None:
    def refuse(_symbol: str, _query: dict[str, str]) -> Answer:
        raise ConnectionError("Network is unreachable")

    made = yahoo(refuse)
    with pytest.raises(SourceUnavailable, match="no answer from Yahoo: Network is unreachable"):
        YahooBars(made.client, SETTLE).fetch_bars(QUERY)
    assert made.calls("error") == 1


def test_after_a_401_the_next_call_brings_a_new_cookie_and_crumb(yahoo: MakeYahoo) -> None:
    answers = [(401, "{}"), (401, "{}"), (200, chart("AAPL", bars_of(WEEK)))]
    made = yahoo(lambda _symbol, _query: answers.pop(0))
    source = YahooBars(made.client, SETTLE)
    with pytest.raises(SourceUnavailable, match="made anew"):
        source.fetch_bars(QUERY)
    before = len(made.fake.asked("getcrumb"))
    assert source.fetch_bars(QUERY).body
    assert len(made.fake.asked("getcrumb")) > before


def test_parse_is_pure(yahoo: MakeYahoo) -> None:
    source = YahooBars(yahoo(always(200, chart("AAPL", bars_of(WEEK)))).client, SETTLE)
    payload = source.fetch_bars(QUERY)
    twice = [source.parse_bars(QUERY, Payload(payload.request, payload.body), FETCH) for _ in range(2)]
    assert twice[0] == twice[1]
