import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import httpx
import pytest
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from stockpipe.common import calendar
from stockpipe.common.contracts import daily_bar
from stockpipe.common.metrics import ProducerMetrics
from stockpipe.producer.sources.alphavantage_bars import AlphaVantageBars
from stockpipe.producer.sources.alphavantage_client import SOURCE, AlphaVantageClient
from stockpipe.producer.sources.alphavantage_plan import PlanName, plan_named
from stockpipe.producer.sources.base import BarQuery, Fetch
from stockpipe.producer.sources.budget import Budget
from stockpipe.producer.sources.errors import (
    BadPayload,
    NoData,
    QuotaExhausted,
    RateLimited,
    SourceError,
    SourceUnavailable,
)
from stockpipe.producer.sources.limits import Limit
from stockpipe.producer.sources.meter import Meter
from support.alphavantage import (
    DAY_USED,
    FULL_IS_PREMIUM,
    INVALID_CALL,
    INVALID_KEY,
    PREMIUM,
    THROTTLED,
    FakeAlphaVantage,
    daily,
    said,
)
from support.clocks import ManualClock
from support.memory_store import MemoryStore

KEY = "S3CR3TKEY"
FETCH = Fetch("alphavantage-1", "2026-11-24T22:30:00.000Z", "20261124T223000Z-daily")
WEEK = ["2026-11-18", "2026-11-19", "2026-11-20", "2026-11-23", "2026-11-24"]
QUERY = BarQuery("IBM", date(2026, 11, 18), date(2026, 11, 24))


class Side:
    """A source and its other side."""

    def __init__(self, answer: Callable[[dict[str, str]], tuple[int, str]], plan: PlanName = "free") -> None:
        self.clock = ManualClock(datetime(2026, 11, 24, 22, 30, tzinfo=UTC))
        self.registry = CollectorRegistry()
        limits = plan_named(plan).limits
        budget = Budget(SOURCE, limits, MemoryStore(), self.clock, "test")
        self.meter = Meter(SOURCE, budget, ProducerMetrics(self.registry), 300)
        self.fake = FakeAlphaVantage(answer)
        client = AlphaVantageClient(SecretStr(KEY), self.meter, self.fake.transport)
        self.source = AlphaVantageBars(client, plan_named(plan), timedelta(hours=1), self.clock)

    @property
    def quota(self) -> float | None:
        return self.registry.get_sample_value("stockpipe_producer_quota_remaining", {"source": SOURCE})


def always(body: str, status: int = 200) -> Callable[[dict[str, str]], tuple[int, str]]:
    return lambda _parameters: (status, body)


def test_bars_are_as_traded_and_final_after_the_settle_delay() -> None:
    side = Side(always(daily("IBM", WEEK)))
    payload = side.source.fetch_bars(QUERY)
    bars = side.source.parse_bars(QUERY, payload, FETCH).bars
    assert [(bar.date, bar.close, bar.currency, bar.is_final) for bar in bars] == [
        (day, 100.0 + position, "USD", True) for position, day in enumerate(WEEK)
    ]
    assert [daily_bar.fault(bar) for bar in bars] == [None] * 5
    assert {(bar.adj_close, bar.dividend, bar.split_ratio) for bar in bars} == {(None, None, None)}
    assert (side.quota, len(side.fake.requests)) == (24, 1)


def test_the_key_is_sent_and_appears_nowhere_else(capsys: pytest.CaptureFixture[str]) -> None:
    side = Side(always(said("Information", DAY_USED.format(key=KEY))))
    with pytest.raises(RateLimited) as found:
        side.source.fetch_bars(QUERY)
    assert side.fake.requests[0]["apikey"] == KEY
    assert "25 requests per day" in str(found.value)
    side = Side(always(daily("IBM", WEEK)))
    assert KEY not in side.source.fetch_bars(QUERY).request
    assert KEY not in repr(found.value) + repr(found.value.__cause__) + "".join(capsys.readouterr())


def test_a_network_error_does_not_show_the_key() -> None:
    def refuse(parameters: dict[str, str]) -> tuple[int, str]:
        raise httpx.ConnectError(f"can't reach ?apikey={parameters['apikey']}")

    side = Side(refuse)
    with pytest.raises(SourceUnavailable, match=r"no answer from Alpha Vantage: can't reach \?apikey=\*\*\*"):
        side.source.fetch_bars(QUERY)
    labels = {"source": SOURCE, "status": "error"}
    assert side.registry.get_sample_value("stockpipe_producer_source_calls_total", labels) == 1


@pytest.mark.parametrize(
    ("status", "body", "error", "words"),
    [
        (200, said("Note", THROTTLED), RateLimited, "1 request per second"),
        (200, said("Information", THROTTLED), RateLimited, "1 request per second"),
        (200, said("Information", DAY_USED), RateLimited, "25 requests per day"),
        (200, said("Information", PREMIUM), SourceUnavailable, "check ALPHA_VANTAGE_PLAN"),
        (200, said("Information", FULL_IS_PREMIUM), SourceUnavailable, "check ALPHA_VANTAGE_PLAN"),
        (200, said("Error Message", INVALID_KEY), SourceUnavailable, "check ALPHA_VANTAGE_API_KEY"),
        (200, said("Error Message", INVALID_CALL), NoData, "Invalid API call"),
        (200, said("Surprise", "new"), BadPayload, "only: Surprise"),
        (200, "{}", BadPayload, "only: none"),
        (200, "", BadPayload, "isn't JSON"),
        (200, "<html>Just a moment</html>", BadPayload, "isn't JSON"),
        (200, daily("IBM", WEEK)[:200], BadPayload, "isn't JSON"),
        (200, "[]", BadPayload, "is a list"),
        (200, daily("MSFT", WEEK), BadPayload, "is about 'MSFT'"),
        (200, daily("IBM", WEEK, zone="Europe/Paris"), BadPayload, "time zone is 'Europe/Paris'"),
        (200, daily("IBM", WEEK).replace('"101.0000"', '"n/a"'), BadPayload, "bar can't be read"),
        (200, daily("IBM", []), NoData, "no bar in"),
        (429, "slow down", RateLimited, "429"),
        (401, "", SourceUnavailable, "401"),
        (500, "", SourceUnavailable, "500"),
    ],
)
def test_bad_answers(status: int, body: str, error: type[SourceError], words: str) -> None:
    side = Side(always(body, status))
    with pytest.raises(error, match=words) as found:
        side.source.parse_bars(QUERY, side.source.fetch_bars(QUERY), FETCH)
    assert (found.value.source, found.value.symbol) == (SOURCE, "IBM")
    assert (side.meter.requests, side.meter.left()) == (1, 24)


def test_a_free_key_is_not_asked_for_what_it_does_not_have() -> None:
    side = Side(always(daily("IBM", WEEK)))
    oldest = calendar.trailing_session("XNYS", date(2026, 11, 24), 100)
    assert side.source.fetch_bars(BarQuery("IBM", oldest, QUERY.last)).request.startswith(
        "alphavantage TIME_SERIES_DAILY IBM outputsize=compact"
    )
    with pytest.raises(NoData, match=rf"last 100 sessions, from {oldest}"):
        side.source.fetch_bars(BarQuery("IBM", oldest - timedelta(days=1), QUERY.last))
    with pytest.raises(NoData, match="only US shares"):
        side.source.fetch_bars(BarQuery("VOD.L", QUERY.first, QUERY.last, "XLON"))
    assert len(side.fake.requests) == 1


def test_a_premium_key_brings_history_and_actions() -> None:
    more = {"adjusted_close": "50.0", "volume": "7", "dividend_amount": "0.25", "split_coefficient": "2.0"}
    side = Side(always(daily("IBM", WEEK, 100.0, "US/Eastern", **more)), "premium-75")
    query = BarQuery("IBM", date(1999, 1, 1), QUERY.last)
    parsed = side.source.parse_bars(query, side.source.fetch_bars(query), FETCH)
    assert side.fake.requests[0]["function"] == "TIME_SERIES_DAILY_ADJUSTED"
    assert side.fake.requests[0]["outputsize"] == "full"
    assert (parsed.bars[0].adj_close, parsed.bars[0].dividend, parsed.bars[0].split_ratio) == (50.0, 0.25, 2.0)
    assert len(parsed.actions) == 10


def test_the_quota_is_used_up_in_the_middle_of_a_run() -> None:
    side = Side(always(daily("IBM", WEEK)))
    for _ in range(25):
        side.source.fetch_bars(QUERY)
    with pytest.raises(QuotaExhausted, match="all 25 calls of 86400 s are used until 2026-11-25"):
        side.source.fetch_bars(QUERY)
    assert (len(side.fake.requests), side.quota) == (25, 0)


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/Los_Angeles"])
def test_the_host_time_zone_does_not_matter(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        side = Side(always(daily("IBM", WEEK)))
        parsed = side.source.parse_bars(QUERY, side.source.fetch_bars(QUERY), FETCH)
        assert [bar.date for bar in parsed.bars] == WEEK
    finally:
        monkeypatch.undo()
        time.tzset()


def test_plans() -> None:
    assert plan_named("free").limits == (Limit(1, 2), Limit(25, 86_400))
    assert plan_named("premium-1200").limits == (Limit(20, 1), Limit(1200, 60))
