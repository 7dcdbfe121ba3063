"""What the DAGs are made of."""

import ast
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.models.asset import AssetDagRunQueue
from airflow.sdk import DAG
from airflow.serialization.serialized_objects import DagSerialization
from airflow.utils.session import create_session
from sqlalchemy import delete, select

from conftest import ROOT
from stock_airflow.alerts import run_failed
from stock_airflow.common import DAILY_METRICS, SOURCES_POOL
from stock_airflow.timetable import ExchangeTimetable

ORDER = {
    "stock_market_batch_pipeline": [
        "fetch_historical_data",
        "consume_historical_data",
        "process_data",
        "load_historical_to_snowflake",
        "process_complete",
    ],
    "stock_streaming_pipeline": [
        "cleanup_processes",
        "collect_streaming_data",
        "wait_for_raw_data",
        "spark_analytics_processing",
        "validate_analytics_data",
        "load_to_snowflake",
        "pipeline_summary",
        "final_cleanup",
    ],
    "stock_market_backfill": [
        "plan_backfill",
        "fetch_chunk",
        "compute",
        "process_data",
        "load_historical_to_snowflake",
        "backfill_complete",
    ],
    "stock_market_audit": ["validate_daily_data", "audit_complete"],
}


@pytest.mark.parametrize("dag_id", ORDER)
def test_tasks_run_in_the_order_of_the_specification(dags: dict[str, DAG], dag_id: str) -> None:
    assert [each.task_id for each in dags[dag_id].topological_sort()] == ORDER[dag_id]
    for before, after in zip(ORDER[dag_id], ORDER[dag_id][1:], strict=False):
        assert after in dags[dag_id].get_task(before).downstream_task_ids


def test_there_are_no_other_dags(dags: dict[str, DAG]) -> None:
    assert dags.keys() == ORDER.keys()


@pytest.mark.parametrize("dag_id", ORDER)
def test_every_dag_has_bounds_retries_and_someone_to_tell(dags: dict[str, DAG], dag_id: str) -> None:
    dag = dags[dag_id]
    assert dag.max_active_runs == 1
    assert dag.dagrun_timeout is not None
    assert dag.on_failure_callback is run_failed
    assert dag.deadline
    for each in dag.tasks:
        arguments = getattr(each, "partial_kwargs", None) or vars(each)
        assert arguments["retry_exponential_backoff"] == 2.0, each.task_id
        assert arguments["max_retry_delay"], each.task_id
    assert dag.doc_md


@pytest.mark.parametrize("dag_id", ORDER)
def test_the_scheduler_reads_the_dag_back(dags: dict[str, DAG], dag_id: str) -> None:
    read = DagSerialization.deserialize_dag(json.loads(json.dumps(DagSerialization.serialize_dag(dags[dag_id]))))
    assert read.task_ids == dags[dag_id].task_ids
    if isinstance(dags[dag_id].schedule, ExchangeTimetable):
        assert read.timetable.serialize() == dags[dag_id].schedule.serialize()  # type: ignore[union-attr]


def test_calls_to_the_sources_share_a_pool_that_is_made(dags: dict[str, DAG]) -> None:
    pools = json.loads((ROOT / "airflow/pools.json").read_text())
    assert pools[SOURCES_POOL]["slots"] == 1
    using = {
        each.task_id
        for dag in dags.values()
        for each in dag.tasks
        if (getattr(each, "partial_kwargs", None) or vars(each)).get("pool") == SOURCES_POOL
    }
    assert using == {"fetch_historical_data", "collect_streaming_data", "fetch_chunk"}


def test_a_failed_run_stays_failed_although_its_last_tasks_always_run(dags: dict[str, DAG]) -> None:
    dag = dags["stock_streaming_pipeline"]
    final = dag.get_task("final_cleanup")
    assert final.is_teardown
    assert not final.on_failure_fail_dagrun
    assert dag.get_task("pipeline_summary").trigger_rule == "all_done"


def test_assets_tell_what_each_dag_makes(dags: dict[str, DAG]) -> None:
    made = {dag_id: {outlet.name for each in dag.tasks for outlet in each.outlets} for dag_id, dag in dags.items()}
    bars = {"stock-market/raw/historical", "stock-market/DAILY_STOCK_METRICS"}
    assert made == {
        "stock_market_batch_pipeline": bars,
        "stock_market_backfill": bars,
        "stock_streaming_pipeline": {"stock-market/raw/realtime", "stock-market/REALTIME_STOCK_ANALYTICS"},
        "stock_market_audit": set(),
    }
    assert dags["stock_market_audit"].schedule == [DAILY_METRICS]


@pytest.mark.parametrize("dag_id", ["stock_market_batch_pipeline", "stock_market_backfill"])
def test_a_load_of_daily_metrics_starts_the_audit(run: Callable[..., Any], dag_id: str) -> None:
    with create_session() as session:
        session.execute(delete(AssetDagRunQueue))
    assert run(dag_id).state == "success"
    with create_session() as session:
        assert session.scalars(select(AssetDagRunQueue.target_dag_id)).all() == ["stock_market_audit"]
    assert run("stock_market_audit", None).state == "success"


def test_nothing_of_the_services_is_imported() -> None:
    files = list((ROOT / "airflow").rglob("*.py"))
    assert len(files) > 10
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not any(name.split(".")[0] == "stockpipe" for name in names), f"{file}: {names}"


def test_the_image_holds_the_dags_that_are_tested() -> None:
    dockerfile = (Path(ROOT) / "airflow/Dockerfile").read_text()
    for each in ("airflow/dags", "airflow/src", "airflow/pools.json", "requirements/airflow.lock"):
        assert each in dockerfile
