"""The one look for new batches: what it tells, to whom, and what it costs."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pytest
from prometheus_client import CollectorRegistry

from stockpipe.api.news import QUEUED, News
from stockpipe.api.warehouse import Warehouse
from stockpipe.common.contracts.tables import Table
from stockpipe.common.metrics import ApiMetrics
from stockpipe.common.warehouse.reader import WarehouseReader, open_reader
from support.api import SYMBOLS, WINDOWS, ApiSite, window
from support.landing import quiet_log
from support.processed import write_batch


@dataclass
class CountedReader:
    reader: WarehouseReader
    queries: list[str]

    def qualified(self, table: Table) -> str:
        return self.reader.qualified(table)

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> pa.Table:
        self.queries.append(sql)
        return self.reader.query(sql, parameters)


class Counted:
    """Counts the queries that reach the warehouse."""

    def __init__(self, site: ApiSite) -> None:
        self.site = site
        self.queries: list[str] = []

    @contextmanager
    def __call__(self) -> Iterator[WarehouseReader]:
        with open_reader(self.site.settings) as reader:
            yield CountedReader(reader, self.queries)


def news_on(opened: Any) -> News:
    return News(Warehouse(opened, frozen=True), 60, ApiMetrics(CollectorRegistry()), quiet_log())


def events(frame: bytes) -> dict[str, Any]:
    """Return the events of a frame by their name."""
    found = {}
    for part in frame.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in part.splitlines())
        if "data" in fields:
            found[fields["event"]] = json.loads(fields["data"])
    return found


async def next_event(stream: Any) -> dict[str, Any]:
    return events(await asyncio.wait_for(anext(stream), 10))


def load_another(site: ApiSite, number: int = 0) -> None:
    rows = [window(WINDOWS + number, close=500.0, high=501.0)]
    site.load(write_batch(site.store, "realtime_live", f"20130301T22{number:02d}00Z-more", rows))


def test_a_client_gets_the_state_then_what_is_new(own: ApiSite) -> None:
    async def scenario() -> None:
        news = news_on(Counted(own))
        await news.look()
        stream = news.listen()
        first = await next_event(stream)
        assert [row["symbol"] for row in first["symbols"]] == list(SYMBOLS)
        load_another(own)
        await news.look()
        assert [batch["batch_id"] for batch in (await next_event(stream))["batches"]] == ["20130301T220000Z-more"]
        (changed,) = (await next_event(stream))["symbols"]
        assert (changed["symbol"], changed["price"]) == ("AAPL", 500.0)
        news.stop()
        assert [each async for each in stream] == []

    asyncio.run(scenario())


def test_clients_cost_no_queries(own: ApiSite) -> None:
    async def scenario() -> None:
        opened = Counted(own)
        news = news_on(opened)
        await news.look()
        streams = [news.listen() for _ in range(50)]
        for stream in streams:
            await next_event(stream)
        before = len(opened.queries)
        load_another(own)
        await news.look()
        assert len(opened.queries) - before == 5  # two ledgers, three for the list of symbols
        for stream in streams:
            assert "batches" in await next_event(stream)
        before = len(opened.queries)
        await news.look()
        assert len(opened.queries) - before == 2
        news.stop()

    asyncio.run(scenario())


def test_a_client_that_does_not_read_is_sent_away(own: ApiSite) -> None:
    async def scenario() -> None:
        news = news_on(Counted(own))
        await news.look()
        slow, quick = news.listen(), news.listen()
        await next_event(slow)
        await next_event(quick)
        state = news.state
        assert state is not None
        for number in range(QUEUED):
            symbols = {name: each for name, each in state.symbols.items() if name != SYMBOLS[number % 3]}
            news.tell(type(state)(state.batches, state.tokens, symbols))
            await next_event(quick)
            await next_event(quick)
        left = [frame async for frame in slow]
        assert len(left) < QUEUED
        assert news.is_full(1)
        assert not news.is_full(2)
        news.stop()

    asyncio.run(scenario())


def test_what_fails_is_counted_and_tried_again(own: ApiSite) -> None:
    async def scenario() -> None:
        registry = CollectorRegistry()
        snapshot = own.database.with_name(f"{own.database.name}.snapshot")
        away = snapshot.rename(snapshot.with_suffix(".away"))
        news = News(Warehouse(Counted(own), frozen=True), 0.01, ApiMetrics(registry), quiet_log())
        looking = asyncio.create_task(news.run())
        while not registry.get_sample_value("stockpipe_api_polls_failed_total"):
            await asyncio.sleep(0)
        away.rename(snapshot)
        async with asyncio.timeout(10):
            while news.state is None:
                await asyncio.sleep(0)
        news.stop()
        await looking

    asyncio.run(scenario())


@pytest.mark.parametrize("count", [1, 3])
def test_a_stream_ends_when_the_process_does(own: ApiSite, count: int) -> None:
    async def scenario() -> None:
        news = news_on(Counted(own))
        await news.look()
        streams = [news.listen() for _ in range(count)]
        for stream in streams:
            await next_event(stream)
        news.stop()
        assert [[each async for each in stream] for stream in streams] == [[]] * count
        assert [each async for each in news.listen()] == []

    asyncio.run(scenario())
