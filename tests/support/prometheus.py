"""A real Prometheus on the loopback interface, with the rules that the chart ships."""

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import yaml

from stockpipe.standalone.go_programs import PROMETHEUS
from stockpipe.standalone.ports import free_ports
from stockpipe.standalone.processes import ChildProcess
from support.go_programs import require
from support.waiting import eventually


class Prometheus:
    """A running server."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}"

    def query(self, promql: str) -> list[dict[str, Any]]:
        """Return the series that the expression gives now; fail if it is wrong."""
        found: list[dict[str, Any]] = self._get("query", query=promql)["result"]
        return found

    def metrics(self) -> set[str]:
        """Return the names of all metrics that were scraped or recorded."""
        with urlopen(f"{self._url}/api/v1/label/__name__/values", timeout=10) as answer:
            return set(json.load(answer)["data"])

    def firing(self) -> set[str]:
        """Return the names of the alerts that fire."""
        return {each["metric"]["alertname"] for each in self.query('ALERTS{alertstate="firing"}')}

    def rule_errors(self) -> list[str]:
        """Return what is wrong with the evaluation of rules."""
        groups = self._get("rules")["groups"]
        return [rule["lastError"] for group in groups for rule in group["rules"] if rule.get("lastError")]

    def _get(self, path: str, **parameters: str) -> Any:
        with urlopen(f"{self._url}/api/v1/{path}?{urlencode(parameters)}", timeout=10) as answer:
            return json.load(answer)["data"]


@contextlib.contextmanager
def running_prometheus(
    folder: Path, targets: Mapping[str, int], rules: Mapping[str, Any], namespace: str
) -> Iterator[Prometheus]:
    """Scrape the programs, given with their ports, and evaluate the rules, all of it every second."""
    folder.mkdir()
    (port,) = free_ports(1)
    (folder / "rules.yaml").write_text(yaml.safe_dump(dict(rules)))
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": ["rules.yaml"],
        "scrape_configs": [
            {
                "job_name": "stock-pipeline-metrics",
                "static_configs": [
                    {"targets": [f"127.0.0.1:{each}"], "labels": {"namespace": namespace, "pod": name}}
                    for name, each in targets.items()
                ],
            }
        ],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    command = [
        require(PROMETHEUS),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
    ]
    process = ChildProcess("prometheus", [*command, f"--web.listen-address=127.0.0.1:{port}"], {}, folder / "log")
    server = Prometheus(port)
    try:
        eventually(lambda: process.poll() is not None or _answers(server), "Prometheus answers")
        assert process.poll() is None, process.last_lines()
        yield server
    finally:
        process.close(grace_seconds=5.0)


def _answers(server: Prometheus) -> bool:
    with contextlib.suppress(OSError):
        server.query("vector(1)")
        return True
    return False
