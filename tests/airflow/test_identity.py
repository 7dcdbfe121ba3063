"""A run tried again is the same batch; another question is another one."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

import pytest

from conftest import ROOT
from stock_airflow.identity import batch_id


@dataclass
class Run:
    logical_date: datetime | None
    run_after: datetime


AT = datetime(2026, 11, 23, 14, 30, tzinfo=UTC)
PARAMS = {"symbols": "AAPL", "from": None}


def test_the_same_run_has_the_same_id_whenever_it_is_asked() -> None:
    first = batch_id("stock_market_batch_pipeline", Run(AT, AT), PARAMS)
    later = Run(AT.astimezone(timezone(timedelta(hours=-5))), AT + timedelta(days=3))
    assert batch_id("stock_market_batch_pipeline", later, dict(reversed(PARAMS.items()))) == first
    assert first == "20261123T143000Z-stock-market-batch-pipeline-3aa73bb8"


@pytest.mark.parametrize(
    ("dag_id", "at", "params"),
    [
        ("stock_market_backfill", AT, PARAMS),
        ("stock_market_batch_pipeline", AT + timedelta(days=1), PARAMS),
        ("stock_market_batch_pipeline", AT, PARAMS | {"symbols": "MSFT"}),
    ],
)
def test_another_dag_date_or_question_is_another_batch(dag_id: str, at: datetime, params: dict[str, str]) -> None:
    assert batch_id(dag_id, Run(at, at), params) != batch_id("stock_market_batch_pipeline", Run(AT, AT), PARAMS)


def test_a_run_without_a_logical_date_is_told_by_when_it_was_due() -> None:
    assert batch_id("a", Run(None, AT), {}).startswith("20261123T143000Z-a-")


def test_the_programs_take_the_id() -> None:
    """By the pattern that `stockpipe.common.ids` checks, read from its source: it isn't importable here."""
    source = (ROOT / "services/common/src/stockpipe/common/ids.py").read_text()
    (pattern,) = re.findall(r'_BATCH_ID = re.compile\(r"(.*)"\)', source)
    for dag_id in ("stock_market_batch_pipeline", "stock_streaming_pipeline", "stock_market_backfill"):
        found = batch_id(dag_id, Run(AT, AT), PARAMS)
        assert re.fullmatch(pattern, found)
        assert len(found) <= 63, "longer than a label may be"
