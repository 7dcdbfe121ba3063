"""Daily bars of a session, from the sources to DAILY_STOCK_METRICS."""

from datetime import timedelta
from typing import Any

from airflow.sdk import Context, Param, get_current_context, task

from stock_airflow.common import DAILY_METRICS, RAW_BARS, SOURCES_POOL, SYMBOLS_PATTERN, StockDag, dag_arguments
from stock_airflow.identity import BATCH_ID
from stock_airflow.pods import service_pod, spark_job
from stock_airflow.report import finish_run
from stock_airflow.settings import SETTINGS
from stock_airflow.timetable import ExchangeTimetable

SESSION = "{{ session_of(data_interval_start) }}"
FROM = "{{ params['from'] or '' }}"

with StockDag(
    "stock_market_batch_pipeline",
    description="Daily bars after each session's close: fetch, land, compute, load",
    schedule=ExchangeTimetable(SETTINGS.exchange, delay=timedelta(minutes=75)),
    params={
        "symbols": Param("", type="string", pattern=SYMBOLS_PATTERN, description="Tickers; empty: the producer's own"),
        "from": Param(
            None, type=["null", "string"], format="date", description="First session; empty: the trailing sessions"
        ),
    },
    doc_md=__doc__,
    **dag_arguments(deadline=timedelta(hours=2)),
) as dag:
    fetch = service_pod(
        "fetch_historical_data",
        [
            {
                "program": "producer-batch",
                "args": ["batch"],
                "options": {
                    "--to": SESSION,
                    "--from": FROM,
                    "--batch-id": BATCH_ID,
                    "--symbols": "{{ params.symbols }}",
                },
            }
        ],
        pool=SOURCES_POOL,
    )
    consume = service_pod(
        "consume_historical_data",
        [
            # splits and dividends must be there when the metrics are computed
            {"program": "consumer-actions", "args": ["--topic", "actions", "--drain"]},
            {"program": "consumer-batch", "args": ["--topic", "batch", "--drain"]},
        ],
        # what came is processed, even where a symbol failed; the run fails in the end
        trigger_rule="all_done",
        outlets=[RAW_BARS],
    )
    process = spark_job("process_data", "daily", {"--run-date": SESSION, "--to": SESSION, "--from": FROM})
    load = service_pod(
        "load_historical_to_snowflake",
        [{"program": "loader", "args": ["load"], "options": {"--dataset": "daily", "--batch-id": BATCH_ID}}],
        outlets=[DAILY_METRICS],
    )

    @task(trigger_rule="all_done", retries=1)
    def process_complete() -> dict[str, Any]:
        """Write the run's report."""
        context: Context = get_current_context()
        return finish_run(context, "daily", {"fetched": fetch.task_id, "loaded": load.task_id})

    fetch >> consume >> process >> load >> process_complete()
