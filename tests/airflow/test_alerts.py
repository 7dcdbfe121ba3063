"""A failed run is told once, with links."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from local_pods import LocalPods
from stock_airflow.alerts import run_late


@pytest.fixture
def alertmanager(set_settings: Callable[..., None]) -> Iterator[list[Any]]:
    """A server in place of Alertmanager: what it was sent."""
    received: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/api/v2/alerts"
            received.extend(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        set_settings(alertmanager_url=f"http://127.0.0.1:{server.server_port}/")
        yield received
        server.shutdown()


def test_a_run_that_fails_is_told_once_however_many_tasks_failed(
    alertmanager: list[Any], local_pods: LocalPods, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(task_id: str, *_args: Any) -> None:
        raise RuntimeError(f"no pod for {task_id}")

    monkeypatch.setattr(local_pods, "run_pod", refuse)
    done = run("stock_market_batch_pipeline")
    assert done.state == "failed"
    (alert,) = alertmanager
    assert alert["labels"] == {
        "alertname": "StockRunFailed",
        "severity": "critical",
        "namespace": "stock-market",
        "dag_id": "stock_market_batch_pipeline",
        "run_id": done.run_id,
    }
    links = alert["annotations"]
    assert links["run_url"].startswith("https://airflow.example.com/dags/stock_market_batch_pipeline/runs/manual__")
    assert links["runbook_url"] == "docs/airflow.md#stock_market_batch_pipeline"
    report = links["report"].removeprefix("file://")
    with open(report, encoding="utf-8") as file:  # noqa: PTH123 - the link is a text
        assert "- fetch_historical_data is failed" in file.read()


def test_a_late_run_is_told(alertmanager: list[Any]) -> None:
    run_late({"dag_run": {"dag_id": "a", "run_id": "b"}})
    (alert,) = alertmanager
    assert alert["labels"]["alertname"] == "StockRunLate"
    assert alert["annotations"]["summary"] == "a b: the run isn't done at its deadline"
