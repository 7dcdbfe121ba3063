"""Answers that can't be understood are kept with their reason, once, without the key."""

import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import msgspec
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from stockpipe.common.errors import Unavailable
from stockpipe.common.lake import layout
from stockpipe.common.metrics import ProducerMetrics
from stockpipe.producer.sources.alphavantage_bars import AlphaVantageBars
from stockpipe.producer.sources.alphavantage_client import AlphaVantageClient
from stockpipe.producer.sources.alphavantage_plan import plan_named
from stockpipe.producer.sources.base import BarQuery, BarSource
from stockpipe.producer.sources.budget import Budget
from stockpipe.producer.sources.errors import BadPayload
from stockpipe.producer.sources.fetching import BarFetcher
from stockpipe.producer.sources.limits import DAY, Limit
from stockpipe.producer.sources.line import Line
from stockpipe.producer.sources.meter import Meter
from stockpipe.producer.sources.refused_payloads import KEPT_DAYS, MOST_BYTES, RefusedPayloads
from stockpipe.producer.sources.yahoo_bars import YahooBars
from support.clocks import ManualClock
from support.landing import quiet_log
from support.memory_store import MemoryStore
from support.yahoo import bars_of, chart
from unit.producer.conftest import MakeYahoo

NOW = datetime(2026, 11, 24, 22, 30, tzinfo=UTC)
QUERY = BarQuery("AAPL", date(2026, 11, 18), date(2026, 11, 24))
KEY = "SECRETKEY"


def kept(store: MemoryStore) -> list[dict[str, Any]]:
    return [msgspec.json.decode(store.get(info.key)) for info in store.list(layout.REFUSED + "/")]


def ask(source: BarSource, store: MemoryStore, times: int = 1) -> None:
    clock, log = ManualClock(NOW), quiet_log()
    metrics = ProducerMetrics(CollectorRegistry())
    line = Line(source.name, source, refused=RefusedPayloads(source.name, store, clock, log))
    fetcher = BarFetcher([line], clock, random.Random(1), lambda: "abc123", metrics, log)
    for _ in range(times):
        fetcher.fetch(QUERY, "20261124T223000Z-daily")


def test_yahoos_page_instead_of_json_and_its_chart_of_another_symbol_are_kept(yahoo: MakeYahoo) -> None:
    page = "<html><body>Will be back</body></html>"
    for body, reason in ((page, "can't be read"), (chart("MSFT", bars_of(["2026-11-18"])), "is about 'MSFT'")):
        store = MemoryStore()
        ask(YahooBars(yahoo(lambda _symbol, _query, body=body: (200, body)).client, timedelta()), store, times=2)
        (record,) = kept(store)
        assert reason in record["reason"]
        assert (record["source"], record["symbol"], record["at"]) == ("yahoo", "AAPL", "2026-11-24T22:30:00.000Z")
        assert record["body"] == body or msgspec.json.decode(record["body"])["meta"]["symbol"] == "MSFT"


def alphavantage(answer: Callable[[], str], store: MemoryStore) -> AlphaVantageBars:
    clock = ManualClock(NOW)
    budget = Budget("alphavantage", (Limit(100, DAY),), store, clock, "test")
    meter = Meter("alphavantage", budget, ProducerMetrics(CollectorRegistry()), 0)
    transport = httpx.MockTransport(lambda _request: httpx.Response(200, text=answer()))
    return AlphaVantageBars(
        AlphaVantageClient(SecretStr(KEY), meter, transport), plan_named("free"), timedelta(hours=1), clock
    )


def test_unknown_keys_of_alpha_vantage_are_kept_without_the_key() -> None:
    store = MemoryStore()
    ask(alphavantage(lambda: f'{{"Advice": "your key {KEY} is fine"}}', store), store)
    (record,) = kept(store)
    assert "Advice" in record["reason"]
    assert record["body"] == '{"Advice": "your key *** is fine"}'


def test_a_refusal_in_words_is_no_bad_payload() -> None:
    store = MemoryStore()
    ask(alphavantage(lambda: '{"Information": "rate limit"}', store), store)
    assert kept(store) == []


def test_a_huge_answer_is_cut_and_old_ones_go() -> None:
    store, clock = MemoryStore(), ManualClock(NOW)
    refused = RefusedPayloads("yahoo", store, clock, quiet_log())
    refused.keep(BadPayload("yahoo", None, "old", b"a"))
    clock.advance(timedelta(days=KEPT_DAYS, seconds=1).total_seconds())
    refused.keep(BadPayload("yahoo", None, "still there", b"b"))
    clock.advance(timedelta(days=1).total_seconds())
    refused.keep(BadPayload("yahoo", None, "huge", b"\xff" * 10 * MOST_BYTES))
    assert [record["reason"] for record in kept(store)] == ["still there", "huge"]
    assert len(kept(store)[1]["body"]) == MOST_BYTES
    assert kept(store)[1]["bytes"] == 10 * MOST_BYTES


def test_a_lake_that_is_down_stops_nothing() -> None:
    class Down(MemoryStore):
        def create(self, key: str, data: bytes) -> None:
            raise Unavailable("down")

    RefusedPayloads("yahoo", Down(), ManualClock(NOW), quiet_log()).keep(BadPayload("yahoo", None, "x", b"y"))
