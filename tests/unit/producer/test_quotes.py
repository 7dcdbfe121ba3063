"""Quotes of the network's sources: from the answer to the contract."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from stockpipe.common.lake.store import ObjectStore
from stockpipe.common.metrics import ProducerMetrics
from stockpipe.common.times import to_text
from stockpipe.producer.sources.alphavantage_client import AlphaVantageClient
from stockpipe.producer.sources.alphavantage_quotes import AlphaVantageQuotes, parse_minutes
from stockpipe.producer.sources.base import Fetch, Payload, QuoteAnswer
from stockpipe.producer.sources.budget import Budget
from stockpipe.producer.sources.errors import BadPayload, NoData, RateLimited, SourceError, SourceUnavailable
from stockpipe.producer.sources.meter import Meter
from stockpipe.producer.sources.volumes import Seen, Volumes
from stockpipe.producer.sources.yahoo_quotes import YahooQuotes
from stockpipe.producer.symbols import Instrument
from support.alphavantage import FakeAlphaVantage, minutes
from support.clocks import ManualClock
from support.landing import quiet_log
from support.memory_store import MemoryStore
from support.outages import FlakyStore
from support.yahoo import Answer, quote_answer, quote_of
from unit.producer.conftest import MakeYahoo

AT = datetime(2026, 11, 24, 15, 0, tzinfo=UTC)
INSTRUMENTS = {
    symbol: Instrument(symbol, exchange) for symbol, exchange in (("AAPL", "XNYS"), ("MSFT", "XNYS"), ("VOD.L", "XLON"))
}


def fetch_at(at: datetime) -> Fetch:
    return Fetch("yahoo-1", to_text(at))


class Quotes:
    """Yahoo's quotes with a state on a lake, and an answer that tests change."""

    def __init__(self, make: MakeYahoo, store: ObjectStore | None = None) -> None:
        self.store = store or MemoryStore()
        self.clock = ManualClock(AT)
        self.status, self.body = 200, ""
        self.made = make(self._answer)
        self.restart()

    def restart(self) -> None:
        volumes = Volumes("yahoo", self.store, quiet_log())
        self.source = YahooQuotes(self.made.client, INSTRUMENTS, volumes, self.clock)

    def ask(self, at: datetime, *quotes: dict[str, Any], symbols: tuple[str, ...] = ("AAPL",)) -> QuoteAnswer:
        self.body = quote_answer(quotes)
        self.clock = self.source._clock = ManualClock(at)
        return self.source.quotes(symbols, at, fetch_at(at))

    def _answer(self, _path: str, _query: dict[str, str]) -> Answer:
        return self.status, self.body


def test_one_call_brings_many_symbols(yahoo: MakeYahoo) -> None:
    quotes = Quotes(yahoo)
    answer = quotes.ask(AT, quote_of("MSFT", AT, 400.0, 5), quote_of("AAPL", AT, 200.0, 7), symbols=("AAPL", "MSFT"))
    assert {(each.symbol, each.price, each.session, each.origin) for each in answer.quotes} == {
        ("AAPL", 200.0, "regular", "live"),
        ("MSFT", 400.0, "regular", "live"),
    }
    assert answer.request == "yahoo quote AAPL,MSFT"
    assert len(quotes.made.fake.asked("/v7/finance/quote")) == 1


def test_the_volume_is_what_traded_since_the_last_quote_across_a_restart(yahoo: MakeYahoo) -> None:
    quotes = Quotes(yahoo)
    volumes = []
    for step, (day_volume, restart) in enumerate(
        [(1000, False), (1500, False), (1500, True), (1800, False), (1700, False)]
    ):
        if restart:
            quotes.restart()
        at = AT + step * timedelta(seconds=30)
        volumes.append(quotes.ask(at, quote_of("AAPL", at, 200.0, day_volume)).quotes[0].volume)
    # The first growth is unknown; a volume that Yahoo takes back is no negative trade.
    assert volumes == [0, 500, 0, 300, 0]


def test_a_new_session_counts_from_its_start(yahoo: MakeYahoo) -> None:
    quotes = Quotes(yahoo)
    quotes.ask(AT, quote_of("AAPL", AT, 200.0, 90_000))
    morning = datetime(2026, 11, 25, 14, 31, tzinfo=UTC)
    assert quotes.ask(morning, quote_of("AAPL", morning, 200.0, 700)).quotes[0].volume == 700


def test_a_quote_that_is_no_newer_is_no_quote(yahoo: MakeYahoo) -> None:
    quotes = Quotes(yahoo)
    quotes.ask(AT, quote_of("AAPL", AT, 200.0, 1000))
    for earlier in (0, 60):
        again = quotes.ask(AT + timedelta(seconds=30), quote_of("AAPL", AT - timedelta(seconds=earlier), 200.0, 1000))
        assert again.quotes == []
        assert set(again.unchanged) == {"AAPL"}


def test_the_state_stays_small(yahoo: MakeYahoo) -> None:
    store = MemoryStore()
    quotes = Quotes(yahoo, store)
    for step in range(20):
        at = AT + step * timedelta(seconds=30)
        quotes.ask(at, quote_of("AAPL", at, 200.0, step))
    assert len(store.objects) == 2


def test_while_the_lake_is_down_quotes_go_on(yahoo: MakeYahoo) -> None:
    store = FlakyStore(MemoryStore())
    quotes = Quotes(yahoo, store)
    store.up = False
    quotes.ask(AT, quote_of("AAPL", AT, 200.0, 1000))
    later = AT + timedelta(seconds=30)
    assert quotes.ask(later, quote_of("AAPL", later, 200.0, 1200)).quotes[0].volume == 200


def test_pence_become_pounds(yahoo: MakeYahoo) -> None:
    answer = Quotes(yahoo).ask(AT, quote_of("VOD.L", AT, 75.0, 1, currency="GBp", bid=74.5), symbols=("VOD.L",))
    assert (answer.quotes[0].price, answer.quotes[0].bid, answer.quotes[0].currency) == (0.75, 0.745, "GBP")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"symbol": "MSFT"}, "nothing about it"),
        ({"regularMarketPrice": None}, "no price or no time"),
        ({"regularMarketPrice": 0.0}, "out of bounds"),
        ({"regularMarketPrice": "high"}, "quote can't be read"),
        ({"regularMarketTime": int(AT.timestamp()) + 60}, "in the future"),
        ({"regularMarketVolume": -5}, "out of bounds"),
        ({"currency": None}, "currency None"),
    ],
)
def test_a_bad_quote_fails_its_symbol_and_no_other(yahoo: MakeYahoo, changes: dict[str, Any], words: str) -> None:
    good = quote_of("VOD.L", AT, 75.0, 1)
    answer = Quotes(yahoo).ask(AT, quote_of("AAPL", AT, 200.0, 1) | changes, good, symbols=("AAPL", "VOD.L"))
    assert [each.symbol for each in answer.quotes] == ["VOD.L"]
    assert list(answer.failed) == ["AAPL"]
    assert words in str(answer.failed["AAPL"])


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (429, "Too Many Requests", RateLimited),
        (401, '{"finance": {"error": {"description": "Invalid Crumb"}}}', SourceUnavailable),
        (500, "", SourceUnavailable),
        (200, "", BadPayload),
        (200, "<html>", BadPayload),
        (200, '{"quoteResponse": {"result": null}}', BadPayload),
    ],
)
def test_a_bad_answer_fails_as_a_whole(yahoo: MakeYahoo, status: int, body: str, error: type[SourceError]) -> None:
    quotes = Quotes(yahoo)
    quotes.status, quotes.body = status, body
    with pytest.raises(error):
        quotes.source.quotes(("AAPL", "MSFT"), AT, fetch_at(AT))
    assert quotes.made.all_calls() == len(quotes.made.fake.requests)


def alpha(answer: Callable[[dict[str, str]], tuple[int, str]], store: MemoryStore) -> AlphaVantageQuotes:
    metrics = ProducerMetrics(CollectorRegistry())
    meter = Meter("alphavantage", Budget("alphavantage", (), store, ManualClock(AT), "test"), metrics, 0)
    client = AlphaVantageClient(SecretStr("key"), meter, FakeAlphaVantage(answer).transport)
    return AlphaVantageQuotes(client, INSTRUMENTS, Volumes("alphavantage", store, quiet_log()), ManualClock(AT))


@pytest.mark.parametrize(
    ("stamp", "utc"),
    [
        ("2026-11-24 09:59:00", "2026-11-24T15:00:00.000Z"),  # winter
        ("2026-10-30 09:59:00", "2026-10-30T14:00:00.000Z"),  # the Friday before the clocks change
        ("2026-11-02 09:59:00", "2026-11-02T15:00:00.000Z"),  # the Monday after
    ],
)
def test_us_eastern_stamps_become_utc(stamp: str, utc: str) -> None:
    source = alpha(lambda _parameters: (200, minutes("AAPL", [stamp])), MemoryStore())
    (quote,) = source.quotes(("AAPL",), AT, fetch_at(AT)).quotes
    assert (quote.event_time, quote.price, quote.volume) == (utc, 100.0, 0)


def test_a_minute_that_has_not_ended_is_not_taken() -> None:
    payload = Payload(
        "", minutes("AAPL", ["2026-11-24 09:58:00", "2026-11-24 09:59:00", "2026-11-24 10:00:00"]).encode()
    )
    assert parse_minutes(INSTRUMENTS["AAPL"], payload, AT).price == 101.0
    with pytest.raises(NoData, match="no minute has ended"):
        parse_minutes(INSTRUMENTS["AAPL"], payload, AT - timedelta(hours=1))
    with pytest.raises(BadPayload, match="time zone"):
        parse_minutes(INSTRUMENTS["AAPL"], Payload("", minutes("AAPL", ["2026-11-24 09:58:00"], "UTC").encode()), AT)


def test_a_damaged_state_is_passed_over() -> None:
    store = MemoryStore()
    store.create(
        "state/volumes/yahoo/2026-11-24T14:59:30.000Z.json", b'{"AAPL":{"day":"2026-11-24","volume":5,"at":"2026"}}'
    )
    store.create("state/volumes/yahoo/2026-11-24T15:00:00.000Z.json", b"{broken")
    known = Volumes("yahoo", store, quiet_log())
    assert known.growth("AAPL", Seen(AT.date(), 8, to_text(AT))) == 3
