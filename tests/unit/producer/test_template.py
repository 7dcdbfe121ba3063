"""The template in the documentation works as it stands."""

import importlib.util
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry

from stockpipe.common.metrics import ProducerMetrics
from stockpipe.producer.sources.base import BarQuery, Fetch
from stockpipe.producer.sources.budget import Budget
from stockpipe.producer.sources.errors import BadPayload, RateLimited, SourceError
from stockpipe.producer.sources.limits import DAY, Limit
from stockpipe.producer.sources.meter import Meter
from support.clocks import ManualClock
from support.memory_store import MemoryStore

TEMPLATE = Path(__file__).parents[3] / "docs/source_template.py"
GOOD = (
    '{"symbol":"AAPL","currency":"USD","rows":'
    '[{"day":"2026-11-23","open":1.0,"high":2.0,"low":1.0,"close":2.0,"volume":5}]}'
)
QUERY = BarQuery("AAPL", date(2026, 11, 23), date(2026, 11, 24))
FETCH = Fetch("example-1", "2026-11-24T22:30:00.000Z", "20261124T223000Z-daily")


def source(status: int, body: str) -> Any:
    spec = importlib.util.spec_from_file_location("source_template", TEMPLATE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    budget = Budget("example", (Limit(5, DAY),), MemoryStore(), ManualClock(datetime(2026, 11, 24, tzinfo=UTC)), "test")
    meter = Meter("example", budget, ProducerMetrics(CollectorRegistry()), 0)
    return module.ExampleBars(
        meter, timedelta(hours=1), httpx.MockTransport(lambda _request: httpx.Response(status, text=body))
    )


def test_it_brings_bars() -> None:
    example = source(200, GOOD)
    (bar,) = example.parse_bars(QUERY, example.fetch_bars(QUERY), FETCH).bars
    assert (bar.date, bar.close, bar.source, bar.is_final) == ("2026-11-23", 2.0, "example", True)


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [(429, "", RateLimited), (200, "<html>", BadPayload), (200, GOOD.replace("AAPL", "IBM"), BadPayload)],
)
def test_it_refuses_bad_answers(status: int, body: str, error: type[SourceError]) -> None:
    example = source(status, body)
    with pytest.raises(error):
        example.parse_bars(QUERY, example.fetch_bars(QUERY), FETCH)
