"""The books of every hop, whenever daily metrics were loaded, whichever DAG loaded them."""

from datetime import timedelta
from typing import Any

from airflow.sdk import Context, get_current_context, task

from stock_airflow.common import DAILY_METRICS, StockDag, dag_arguments
from stock_airflow.pods import service_pod
from stock_airflow.report import finish_run

with StockDag(
    "stock_market_audit",
    description="After each load of daily metrics: does every record of the last two days balance?",
    schedule=[DAILY_METRICS],
    doc_md=__doc__,
    **dag_arguments(deadline=timedelta(hours=1)),
) as dag:
    validate = service_pod(
        "validate_daily_data",
        [
            {
                "program": "auditor",
                "args": ["books"],
                # a backfill may have begun the day before
                "options": {"--from": "{{ (dag_run.run_after - macros.timedelta(days=1)).strftime('%Y-%m-%d') }}"},
            }
        ],
    )

    @task(trigger_rule="all_done", retries=1)
    def audit_complete() -> dict[str, Any]:
        """Write the run's report."""
        context: Context = get_current_context()
        return finish_run(context, None, {"audited": validate.task_id})

    validate >> audit_complete()
