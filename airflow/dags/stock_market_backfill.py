"""Years of daily bars, in chunks: what the lake lacks is fetched and landed, then all is computed and loaded at once.

A run that was stopped or failed goes on where it was: clear its failed tasks, or start another run with the same
params. `dry_run` lists what is missing and changes nothing.
"""

from datetime import timedelta
from typing import Any

from airflow.sdk import Context, Param, get_current_context, task

from stock_airflow.backfill import plan
from stock_airflow.common import DAILY_METRICS, RAW_BARS, SOURCES_POOL, SYMBOLS_PATTERN, StockDag, dag_arguments
from stock_airflow.identity import BATCH_ID, batch_id
from stock_airflow.pods import ServicePod, pod_arguments, service_pod, spark_job
from stock_airflow.report import finish_run
from stock_airflow.templates import Step

LAST = "{{ last_affected(params.to, dag_run.run_after) }}"

with StockDag(
    "stock_market_backfill",
    description="Daily bars of a range of dates, in chunks that can be resumed",
    schedule=None,
    params={
        "symbols": Param("", type="string", pattern=SYMBOLS_PATTERN, description="Tickers; empty: the producer's own"),
        "from": Param("2026-01-02", type="string", format="date", description="First session"),
        "to": Param("2026-11-20", type="string", format="date", description="Last session"),
        "chunk_days": Param(92, type="integer", minimum=1, maximum=3660, description="Days of a chunk"),
        "dry_run": Param(False, type="boolean", description="Only list what is missing"),
    },
    doc_md=__doc__,
    **dag_arguments(deadline=timedelta(hours=12)),
) as dag:

    @task(retries=0)
    def plan_backfill() -> list[list[Step]]:
        """Cut the range into chunks."""
        context: Context = get_current_context()
        run, params = context["dag_run"], context["params"]
        return plan(params, batch_id(run.dag_id, run, params))

    fetch = ServicePod.partial(
        **pod_arguments("fetch_chunk", timedelta(hours=2)),
        pool=SOURCES_POOL,
        max_active_tis_per_dagrun=1,
        outlets=[RAW_BARS],
    ).expand(steps=plan_backfill())

    @task.short_circuit(trigger_rule="all_done", ignore_downstream_trigger_rules=False, retries=0)
    def compute() -> bool:
        """Stop here in a dry run."""
        return not get_current_context()["params"]["dry_run"]

    process = spark_job(
        "process_data",
        "daily",
        {"--run-date": LAST, "--to": LAST, "--from": "{{ params['from'] }}"},
    )
    load = service_pod(
        "load_historical_to_snowflake",
        [{"program": "loader", "args": ["load"], "options": {"--dataset": "daily", "--batch-id": BATCH_ID}}],
        outlets=[DAILY_METRICS],
    )

    @task(trigger_rule="all_done", retries=1)
    def backfill_complete() -> dict[str, Any]:
        """Write the run's report."""
        context: Context = get_current_context()
        return finish_run(context, "daily", {"loaded": load.task_id})

    fetch >> compute() >> process >> load >> backfill_complete()
