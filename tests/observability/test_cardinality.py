"""The number of series depends on what the pipeline is, not on how many symbols it carries."""

import random
import threading
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from prometheus_client import CollectorRegistry

from stockpipe.common.metrics import LoaderMetrics, ProducerMetrics
from stockpipe.loader.settings import WatchSettings
from stockpipe.loader.watch import Watcher
from stockpipe.producer.rounds import QuoteRounds
from stockpipe.producer.sources.base import Fetch, QuoteAnswer, QuoteSource
from stockpipe.producer.sources.budget import Budget
from stockpipe.producer.sources.errors import NoData
from stockpipe.producer.sources.health import Health
from stockpipe.producer.sources.limits import DAY, Limit
from stockpipe.producer.sources.line import Line, run_here
from stockpipe.producer.sources.meter import Meter
from support import records
from support.clocks import ManualClock
from support.landing import quiet_log
from support.loading import Site
from support.memory_store import MemoryStore
from support.processed import NOW, window_row, write_batch
from support.senders import Recorder

FEW, MANY = 5, 500


def symbols(count: int) -> list[str]:
    return [f"S{number:03}" for number in range(count)]


def series(registry: CollectorRegistry) -> int:
    return sum(len(family.samples) for family in registry.collect())


class Source:
    """Has nothing of every fifth symbol."""

    name = "yahoo"
    symbols_per_call = 50

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    def quotes(self, symbols: Sequence[str], at: object, fetch: Fetch) -> QuoteAnswer:
        self._meter.before()
        self._meter.after(200)
        failed = {symbol: NoData(self.name, symbol, "delisted") for symbol in symbols if symbol.endswith("0")}
        made = [records.quote(symbol=symbol, source=self.name) for symbol in symbols if symbol not in failed]
        return QuoteAnswer("asked", made, frozenset(), failed)


def produced(count: int) -> int:
    registry, clock, store, log = CollectorRegistry(), ManualClock(NOW), MemoryStore(), quiet_log()
    metrics = ProducerMetrics(registry)
    meter = Meter("yahoo", Budget("yahoo", (Limit(1000, DAY),), store, clock, "test"), metrics, 0)
    line: Line[QuoteSource] = Line(
        "yahoo", Source(meter), Health("yahoo", store, clock, random.Random(1), metrics, log), meter
    )
    rounds = QuoteRounds([line], timedelta(seconds=30), Recorder(), clock, lambda: "abc123", metrics, log, run_here)
    rounds.round(symbols(count), NOW)
    return series(registry)


def loaded(site: Site, count: int) -> int:
    registry = CollectorRegistry()
    settings = WatchSettings(lake_url=site.lake_url, warehouse_url=site.url)
    metrics = LoaderMetrics(registry)
    write_batch(
        site.store, "realtime_live", f"20240514T150000Z-{count}", [window_row(symbol=each) for each in symbols(count)]
    )
    Watcher(site.warehouse(), site.store, settings, site.clock, metrics, quiet_log()).poll(threading.Event())
    label = {"dataset": "realtime_live"}
    assert registry.get_sample_value("stockpipe_loader_event_to_warehouse_seconds_count", label) == count
    newest = window_row()["last_event_time"]
    assert registry.get_sample_value("stockpipe_loader_newest_event_timestamp_seconds", label) == newest.timestamp()
    delay = registry.get_sample_value("stockpipe_loader_event_to_warehouse_seconds_sum", label)
    assert delay == count * (NOW - newest).total_seconds()
    return series(registry)


def test_five_hundred_symbols_make_no_more_series_of_the_producer_than_five() -> None:
    assert produced(MANY) == produced(FEW) > 0


def test_five_hundred_symbols_make_no_more_series_of_the_loader_than_five(tmp_path: Path) -> None:
    sites = []
    for name in ("few", "many"):
        (tmp_path / name).mkdir()
        sites.append(Site(tmp_path / name))
        sites[-1].migrate()
    assert loaded(sites[1], MANY) == loaded(sites[0], FEW) > 0
