"""Quotes of half an hour, from the sources to REALTIME_STOCK_ANALYTICS, while the exchange is open."""

from datetime import timedelta
from typing import Any

from airflow.sdk import Context, Param, get_current_context, task

from stock_airflow.cleanup import remove_others, remove_own
from stock_airflow.common import RAW_QUOTES, REALTIME_ANALYTICS, SOURCES_POOL, SYMBOLS_PATTERN, StockDag, dag_arguments
from stock_airflow.identity import BATCH_ID
from stock_airflow.pods import service_pod, spark_job
from stock_airflow.report import finish_run
from stock_airflow.sensor import RawDataSensor
from stock_airflow.settings import SETTINGS
from stock_airflow.timetable import ExchangeTimetable

EVERY = timedelta(minutes=30)
COLLECTS = "" if SETTINGS.realtime_deployed else "yes"
FOUND = "ti.xcom_pull(task_ids='wait_for_raw_data')"

with StockDag(
    "stock_streaming_pipeline",
    description="Quotes in micro-batches of half an hour: collect, wait, compute, check, load",
    schedule=ExchangeTimetable(SETTINGS.exchange, delay=timedelta(0), every=EVERY),
    params={
        "symbols": Param("", type="string", pattern=SYMBOLS_PATTERN, description="Tickers; empty: the producer's own"),
        "collect_seconds": Param(180, type="integer", minimum=1, maximum=1500, description="How long to collect"),
    },
    doc_md=__doc__,
    **dag_arguments(deadline=timedelta(minutes=25)),
) as dag:

    @task
    def cleanup_processes() -> list[str]:
        """Remove the pods that earlier runs left."""
        run = get_current_context()["dag_run"]
        return remove_others(run.dag_id, run.run_id)

    collect = service_pod(
        "collect_streaming_data",
        [
            {
                "program": "producer-realtime",
                "when": COLLECTS,
                # ends in order after the time is over: what was sent is flushed
                "command": [
                    "timeout",
                    "--preserve-status",
                    "--signal=TERM",
                    "{{ params.collect_seconds }}",
                    "stockpipe-producer",
                ],
                "args": ["realtime"],
                "options": {"--symbols": "{{ params.symbols }}"},
            },
            {"program": "consumer-realtime", "when": COLLECTS, "args": ["--topic", "realtime", "--drain"]},
        ],
        pool=SOURCES_POOL,
    )
    wait = RawDataSensor(
        task_id="wait_for_raw_data",
        topic=SETTINGS.topic_realtime,
        poke_interval=20,
        timeout=600,
        # the collection is skipped where producer and consumer of quotes run all the time
        trigger_rule="none_failed",
        outlets=[RAW_QUOTES],
    )
    process = spark_job(
        "spark_analytics_processing",
        "realtime",
        {"--from": f"{{{{ {FOUND}['first_day'] }}}}", "--to": f"{{{{ {FOUND}['last_day'] }}}}"},
        timeout=timedelta(minutes=20),
    )
    validate = service_pod(
        "validate_analytics_data",
        [
            {
                "program": "auditor",
                "args": ["books"],
                "options": {"--from": "{{ data_interval_start.strftime('%Y-%m-%d') }}"},
            }
        ],
    )
    load = service_pod(
        "load_to_snowflake",
        [{"program": "loader", "args": ["load"], "options": {"--dataset": "realtime", "--batch-id": BATCH_ID}}],
        outlets=[REALTIME_ANALYTICS],
    )

    @task(trigger_rule="all_done", retries=1)
    def pipeline_summary() -> dict[str, Any]:
        """Write the run's report."""
        context: Context = get_current_context()
        hops = {"landed": wait.task_id, "audited": validate.task_id, "loaded": load.task_id}
        return finish_run(context, "realtime", hops)

    @task
    def final_cleanup() -> list[str]:
        """Remove what is still active of this run, however it ended."""
        run = get_current_context()["dag_run"]
        return remove_own(run.dag_id, run.run_id)

    cleanup, final = cleanup_processes(), final_cleanup()
    cleanup >> collect >> wait >> process >> validate >> load >> pipeline_summary() >> final
    cleanup.as_setup() >> final.as_teardown()
