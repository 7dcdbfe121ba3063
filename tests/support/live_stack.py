"""The pipeline's own programs, live, and a Prometheus that scrapes them."""

import contextlib
import re
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import yaml

from stockpipe.common.clock import SystemClock
from stockpipe.standalone.go_programs import PROMETHEUS
from stockpipe.standalone.pipeline import Pipeline, program, running_pipeline, spark_job
from stockpipe.standalone.ports import free_ports
from stockpipe.standalone.processes import ChildProcess
from stockpipe.standalone.run_folder import RunFolder
from support.go_programs import require
from support.prometheus import Prometheus, running_prometheus
from support.rule_cases import NAMESPACE, RULES
from support.source_server import SourceServer, running_source
from support.waiting import eventually

HASTY_PRODUCER = str(Path(__file__).with_name("hasty_producer.py"))
START_SECONDS = 300.0
FIRE_SECONDS = 120.0
CLEAR_SECONDS = 300.0
"""Enough for a killed Spark to be back on a machine that has other work."""
HURRIED = {
    "stockpipe:refused:ratio_rate15m": ("[15m]", "[10s]"),
    "stockpipe:late:ratio_rate15m": ("[15m]", "[10s]"),
    "stockpipe:duplicate:ratio_rate15m": ("[15m]", "[10s]"),
    "stockpipe:event_to_warehouse_seconds:p95_15m": ("[15m]", "[20s]"),
    "ConsumerStopped": ("[10m]", "[10s]"),
    "LandingLate": ("[10m]) > 1000", "[5s]) > 60"),
    "StreamStalled": ("> 300", "> 15"),
    "ChecksFail": ("[1h]", "[10s]"),
    "LoadingFails": ("[15m]", "[5s]"),
    "SinkUnreachable": ("[5m]", "[10s]"),
    "SourcesDown": ("[2m]", "[4s]"),
}
"""Times and thresholds that would take minutes to pass, and what the test has in place of them, by rule."""


def commands(source: str, api_port: int) -> dict[str, list[str]]:
    """Return the programs; one producer has simulated quotes, the other asks the server at `source`."""
    realtime = ["realtime", "--always-on"]
    asking = ["--sources", "alphavantage", "--alpha-vantage-plan", "premium-1200", "--symbols", "NVDA"]
    return {
        "consumer": program("consumer", "--topic", "realtime", "--flush-seconds", "1"),
        "loader": program("loader", "watch", "--poll-seconds", "1", "--retry-seconds", "1", "--lock-seconds", "1"),
        "auditor": program("auditor", "watch", "--audit-seconds", "2"),
        "stream": spark_job("spark_stream_processor", "--trigger-seconds", "2", "--spark-shuffle-partitions", "2"),
        "producer": program("producer", *realtime, "--fetch-interval-seconds", "1"),
        "asker": [sys.executable, HASTY_PRODUCER, source, *realtime, *asking, "--fetch-interval-seconds", "1"],
        "api": program("api", "serve", "--listen-port", str(api_port), "--anonymous-role", "reader"),
    }


@dataclass
class Stack:
    """What runs: `commands` by name, `services` are their processes, `targets` their ports of metrics."""

    pipeline: Pipeline
    source: SourceServer
    api: str
    commands: Mapping[str, Sequence[str]]
    targets: Mapping[str, int]
    services: dict[str, ChildProcess]
    prometheus: Prometheus

    def start(self, *names: str) -> None:
        for name in names:
            command = [*self.commands[name], "--metrics-port", str(self.targets[name])]
            self.services[name] = self.pipeline.begin(name, command)

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

    def kill(self, name: str) -> None:
        self.services[name].send(signal.SIGKILL)
        assert self.services[name].wait(20.0) == -signal.SIGKILL

    def exposed(self, name: str) -> str:
        """Return the program's own page of metrics, an empty one if it doesn't answer."""
        with (
            contextlib.suppress(OSError),
            urlopen(f"http://127.0.0.1:{self.targets[name]}/metrics", timeout=5) as answer,
        ):
            return str(answer.read().decode())
        return ""

    def await_firing(self, *names: str) -> None:
        """Wait until these alerts fire."""
        missing = set(names)

        def all_fire() -> bool:
            missing.difference_update(self.prometheus.firing())
            return not missing

        eventually(all_fire, f"{names} fire", FIRE_SECONDS)

    def await_quiet(self, *names: str) -> None:
        eventually(lambda: not set(names) & self.prometheus.firing(), f"{names} clear", CLEAR_SECONDS)


def hurried_rules() -> dict[str, Any]:
    """Return the chart's rules, with a second in place of the minutes for which an alert must hold."""
    rules: dict[str, Any] = yaml.safe_load(re.sub(r"for: \d+m", "for: 1s", RULES.read_text()))
    for group in rules["groups"]:
        for rule in group["rules"]:
            before, after = HURRIED.get(rule.get("alert") or rule["record"], ("", ""))
            assert before in rule["expr"]
            rule["expr"] = rule["expr"].replace(before, after) if before else rule["expr"]
    return rules


@contextlib.contextmanager
def running_stack(path: Path) -> Iterator[Stack]:
    """Start everything with its data in `path`."""
    require(PROMETHEUS)
    folder = RunFolder(path)
    folder.log("x").parent.mkdir()
    folder.scratch.mkdir()
    (api_port,) = free_ports(1)
    with running_source() as source, running_pipeline(folder, SystemClock()) as pipeline:
        pipeline.run("migrate", program("loader", "migrate"))
        programs = commands(source.url, api_port)
        targets = dict(zip(programs, free_ports(len(programs)), strict=True))
        with running_prometheus(Path(folder.path) / "prometheus", targets, hurried_rules(), NAMESPACE) as prometheus:
            stack = Stack(
                pipeline, source, f"http://127.0.0.1:{api_port}", programs, targets, services={}, prometheus=prometheus
            )
            stack.start(*programs)
            eventually(stack.rows_are_loaded, "the stream's rows are loaded", seconds=START_SECONDS)
            yield stack
            for service in stack.services.values():
                service.send(signal.SIGCONT)
