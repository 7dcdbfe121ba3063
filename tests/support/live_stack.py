"""The pipeline's own programs, live, and a Prometheus that scrapes them."""

import contextlib
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from stockpipe.common.clock import SystemClock
from stockpipe.standalone.pipeline import Pipeline, program, running_pipeline, spark_job
from stockpipe.standalone.ports import free_ports
from stockpipe.standalone.processes import ChildProcess
from stockpipe.standalone.run_folder import RunFolder
from support.prometheus import Prometheus, running_prometheus
from support.promtool import require_prometheus
from support.rule_cases import NAMESPACE, RULES
from support.waiting import eventually

COMMANDS = {
    "consumer": program("consumer", "--topic", "realtime", "--flush-seconds", "1"),
    "loader": program("loader", "watch", "--poll-seconds", "1", "--retry-seconds", "1"),
    "auditor": program("auditor", "watch", "--audit-seconds", "2"),
    "stream": spark_job("spark_stream_processor", "--trigger-seconds", "2"),
    "producer": program("producer", "realtime", "--always-on", "--fetch-interval-seconds", "1"),
}
START_SECONDS = 180.0
WAIT_SECONDS = 60.0
HURRIED = {
    "LandingLate": ("[10m]) > 1000", "[5s]) > 60"),
    "StreamStalled": ("> 300", "> 15"),
    "LoadingFails": ("[15m]", "[5s]"),
}
"""Thresholds that would take minutes to pass, and what the test has in place of them."""


@dataclass
class Stack:
    """What runs."""

    pipeline: Pipeline
    services: dict[str, ChildProcess]
    prometheus: Prometheus

    def rows_are_loaded(self) -> bool:
        ended = {name: service.last_lines() for name, service in self.services.items() if service.poll() is not None}
        assert not ended
        return bool(self.prometheus.query('stockpipe_loader_batches_total{dataset="realtime_live"} > 1'))

    def pause(self, *names: str) -> None:
        for name in names:
            self.services[name].send(signal.SIGSTOP)

    def resume(self, *names: str) -> None:
        for name in names:
            self.services[name].send(signal.SIGCONT)

    def await_firing(self, *names: str) -> None:
        eventually(lambda: set(names) <= self.prometheus.firing(), f"{names} fire", WAIT_SECONDS)

    def await_quiet(self, *names: str) -> None:
        eventually(lambda: not set(names) & self.prometheus.firing(), f"{names} clear", WAIT_SECONDS)


def hurried_rules() -> dict[str, Any]:
    """Return the chart's rules, with a second in place of the minutes for which an alert must hold."""
    rules: dict[str, Any] = yaml.safe_load(re.sub(r"for: \d+m", "for: 1s", RULES.read_text()))
    for group in rules["groups"]:
        for rule in group["rules"]:
            before, after = HURRIED.get(rule.get("alert", ""), ("", ""))
            assert before in rule["expr"]
            rule["expr"] = rule["expr"].replace(before, after) if before else rule["expr"]
    return rules


@contextlib.contextmanager
def running_stack(path: Path) -> Iterator[Stack]:
    """Start everything with its data in `path`."""
    require_prometheus()
    folder = RunFolder(path)
    folder.log("x").parent.mkdir()
    folder.scratch.mkdir()
    targets = dict(zip(COMMANDS, free_ports(len(COMMANDS)), strict=True))
    with running_pipeline(folder, SystemClock()) as pipeline:
        pipeline.run("migrate", program("loader", "migrate"))
        services = {
            name: pipeline.begin(name, [*command, "--metrics-port", str(targets[name])])
            for name, command in COMMANDS.items()
        }
        with running_prometheus(Path(folder.path) / "prometheus", targets, hurried_rules(), NAMESPACE) as prometheus:
            stack = Stack(pipeline, services, prometheus)
            eventually(stack.rows_are_loaded, "the stream's rows are loaded", seconds=START_SECONDS)
            yield stack
            for service in services.values():
                service.send(signal.SIGCONT)
