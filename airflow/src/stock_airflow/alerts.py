"""One alert for a run that failed or is late."""

import logging
from typing import Any
from urllib.parse import quote

import requests
from airflow.configuration import conf

from stock_airflow.settings import SETTINGS

log = logging.getLogger(__name__)
TIMEOUT_SECONDS = 10


def run_failed(context: Any) -> None:
    """Tell that the DAG run failed; Airflow calls it once a run."""
    run = context["dag_run"]
    raise_alert("StockRunFailed", run.dag_id, run.run_id, context.get("reason") or "a task failed")


def run_late(context: Any, **_kwargs: Any) -> None:
    """Tell that the DAG run isn't done at its deadline."""
    run = context["dag_run"]
    dag_id, run_id = (run["dag_id"], run["run_id"]) if isinstance(run, dict) else (run.dag_id, run.run_id)
    raise_alert("StockRunLate", dag_id, run_id, "the run isn't done at its deadline")


def raise_alert(name: str, dag_id: str, run_id: str, reason: str) -> dict[str, Any]:
    """Send an alert to Alertmanager and return it; it always goes to the log too.

    Alertmanager takes equal labels for the same alert, so however often a run fails, it is told once.
    """
    base = conf.get("api", "base_url", fallback="http://localhost:8080").rstrip("/")
    alert: dict[str, Any] = {
        "labels": {
            "alertname": name,
            "severity": "critical",
            "namespace": SETTINGS.namespace,  # without it the chart's AlertmanagerConfig routes it nowhere
            "dag_id": dag_id,
            "run_id": run_id,
        },
        "annotations": {
            "summary": f"{dag_id} {run_id}: {reason}",
            "run_url": f"{base}/dags/{dag_id}/runs/{quote(run_id, safe='')}",
            "report": f"{SETTINGS.lake}/reports/{report_name(dag_id, run_id)}.md",
            "runbook_url": f"{SETTINGS.runbook_url}#{dag_id}",
        },
        "generatorURL": f"{base}/dags/{dag_id}/runs/{quote(run_id, safe='')}",
    }
    log.error("%s %s", name, alert)
    if SETTINGS.alertmanager_url:
        answer = requests.post(
            f"{SETTINGS.alertmanager_url.rstrip('/')}/api/v2/alerts", json=[alert], timeout=TIMEOUT_SECONDS
        )
        answer.raise_for_status()
    return alert


def report_name(dag_id: str, run_id: str) -> str:
    """Return a report's name below `reports/`, without its ending."""
    safe = "".join(letter if letter.isalnum() or letter in "-_.+" else "_" for letter in run_id)
    return f"{dag_id}/{safe}"
