import json
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockpipe.producer.sources.errors import NoData
from stockpipe.producer.sources.ranges import _LIMITS, Interval, plan_ranges
from support.yahoo import bars_of, chart
from unit.producer.conftest import MakeYahoo

TODAY = date(2026, 11, 24)
INTERVALS: list[Interval] = sorted(_LIMITS)


@given(st.sampled_from(INTERVALS), st.integers(0, 800), st.integers(0, 800))
def test_slices_cover_the_range_once_and_keep_the_limits(interval: Interval, back: int, length: int) -> None:
    span, reach = _LIMITS[interval]
    first = TODAY - timedelta(days=min(back, reach - 1))
    last = min(TODAY, first + timedelta(days=length))
    days: list[date] = []
    for start, end in plan_ranges("yahoo", "AAPL", interval, first, last, TODAY):
        slice_days = [start + timedelta(days=number) for number in range((end - start).days + 1)]
        assert 1 <= len(slice_days) <= span
        days += slice_days
    assert days == [first + timedelta(days=number) for number in range((last - first).days + 1)]


def test_days_are_one_request_however_many() -> None:
    assert len(list(plan_ranges("yahoo", "AAPL", "1d", date(1990, 1, 1), TODAY, TODAY))) == 1


@pytest.mark.parametrize(("interval", "reach"), [("1m", 30), ("15m", 60), ("30m", 60), ("1h", 730)])
def test_what_is_out_of_reach_is_refused_before_any_request(yahoo: MakeYahoo, interval: Interval, reach: int) -> None:
    made = yahoo(lambda symbol, _query: (200, chart(symbol, bars_of(["2026-11-24"]))))
    first = TODAY - timedelta(days=reach)
    with pytest.raises(NoData, match=f"bars of {interval} reach back {reach} days, to {first + timedelta(days=1)}"):
        made.client.chart("AAPL", ZoneInfo("America/New_York"), interval, first, TODAY, TODAY)
    assert made.fake.requests == []


def test_a_month_of_minutes_is_five_requests_with_their_rows_in_one_payload(yahoo: MakeYahoo) -> None:
    days = ["2026-10-26", "2026-11-02", "2026-11-09", "2026-11-16", "2026-11-23"]

    def answer(symbol: str, query: dict[str, str]) -> tuple[int, str]:
        rows = [row for row in bars_of(days) if int(query["period1"]) <= row["time"] < int(query["period2"])]
        return 200, chart(symbol, rows)

    made = yahoo(answer)
    body = made.client.chart("AAPL", ZoneInfo("America/New_York"), "1m", date(2026, 10, 26), TODAY, TODAY)
    assert len(made.fake.asked("/chart/")) == 5
    assert [row["time"] for row in json.loads(body)["rows"]] == [row["time"] for row in bars_of(days)]
