"""Sources with yfinance as it is installed, and Yahoo's side played by an adapter."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from stockpipe.common.metrics import ProducerMetrics
from stockpipe.producer.sources.budget import Budget
from stockpipe.producer.sources.limits import DAY, Limit
from stockpipe.producer.sources.meter import Meter
from stockpipe.producer.sources.yahoo_client import YahooClient
from support.clocks import ManualClock
from support.memory_store import MemoryStore
from support.yahoo import Answer, FakeYahoo

NOW = datetime(2026, 11, 24, 22, 30, tzinfo=UTC)


@dataclass
class Yahoo:
    """A client, the other side it talks to, and what was counted."""

    client: YahooClient
    fake: FakeYahoo
    meter: Meter
    registry: CollectorRegistry
    clock: ManualClock

    def calls(self, status: str) -> float | None:
        labels = {"source": "yahoo", "status": status}
        return self.registry.get_sample_value("stockpipe_producer_source_calls_total", labels)

    def all_calls(self) -> float:
        samples = (sample for family in self.registry.collect() for sample in family.samples)
        return sum(each.value for each in samples if each.name == "stockpipe_producer_source_calls_total")


MakeYahoo = Callable[..., Yahoo]


@pytest.fixture
def yahoo(tmp_path: Path) -> Iterator[MakeYahoo]:
    """Make a client that the given function answers."""
    from yfinance.data import SingletonMeta

    SingletonMeta._instances.clear()

    def make(answer: Callable[[str, dict[str, str]], Answer], calls: int = 1000) -> Yahoo:
        registry, clock = CollectorRegistry(), ManualClock(NOW)
        metrics = ProducerMetrics(registry)
        meter = Meter("yahoo", Budget("yahoo", (Limit(calls, DAY),), MemoryStore(), clock, "test"), metrics, 0.0)
        fake = FakeYahoo(answer)
        return Yahoo(YahooClient(meter, tmp_path / "cache", fake.session()), fake, meter, registry, clock)

    yield make
    SingletonMeta._instances.clear()
