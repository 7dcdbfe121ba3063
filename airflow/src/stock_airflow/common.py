"""What the DAGs have in common."""

from datetime import timedelta
from typing import Any

import pendulum
from airflow.sdk import DAG, Asset
from airflow.sdk.definitions.callback import SyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference

from stock_airflow.alerts import run_failed, run_late
from stock_airflow.backfill import last_affected
from stock_airflow.identity import MACROS
from stock_airflow.settings import SETTINGS
from stock_airflow.timetable import session_date

SOURCES_POOL = "stock_sources"
"""One slot: the sources' quotas are one, however many runs want them. `pools.json` makes it."""

RAW_BARS = Asset("stock-market/raw/historical", group="stock-market")
DAILY_METRICS = Asset("stock-market/DAILY_STOCK_METRICS", group="stock-market")
RAW_QUOTES = Asset("stock-market/raw/realtime", group="stock-market")
REALTIME_ANALYTICS = Asset("stock-market/REALTIME_STOCK_ANALYTICS", group="stock-market")

START = pendulum.datetime(1990, 1, 1)
"""Before all data: a run for an earlier date, by whomever, would have no tasks and succeed."""

DEFAULT_ARGS: dict[str, Any] = {
    "owner": "stock-market",
    "retries": 3,
    "retry_delay": timedelta(seconds=30),
    # doubled each time, plus Airflow's jitter: up to as much again, from the hash of the task and its try
    "retry_exponential_backoff": 2.0,
    "max_retry_delay": timedelta(minutes=10),
}
SYMBOLS_PATTERN = r"^$|^[A-Z0-9.^=-]{1,16}(,[A-Z0-9.^=-]{1,16})*$"


class StockDag(DAG):
    """A DAG that `airflow dags test` can run."""

    def test(self, *args: Any, **kwargs: Any) -> Any:
        """Run the DAG without its deadline: `DAG.test` of 3.3.2 takes the alert itself for its id in the database."""
        self.deadline = None
        return super().test(*args, **kwargs)


def session_of(data_interval_start: Any) -> str:
    """Return the session's date at the exchange, `2026-11-23`."""
    return session_date(SETTINGS.exchange, data_interval_start)


def dag_arguments(deadline: timedelta) -> dict[str, Any]:
    """Return what every DAG is made with; a run that isn't done `deadline` after it was queued is told as late."""
    late = DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT, interval=deadline, callback=SyncCallback(run_late)
    )
    return {
        "start_date": START,
        "catchup": False,
        "max_active_runs": 1,
        "default_args": DEFAULT_ARGS,
        "dagrun_timeout": deadline * 2,
        "on_failure_callback": run_failed,
        "deadline": late,
        "user_defined_macros": {**MACROS, "session_of": session_of, "last_affected": last_affected},
        "tags": ["stock-market"],
    }
