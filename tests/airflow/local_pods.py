"""A stand-in for Kubernetes: what a pod would run, run as local processes on the standalone stack."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.providers.cncf.kubernetes.operators.spark_kubernetes import SparkKubernetesOperator
from airflow.sdk.exceptions import AirflowException
from kubernetes.client import models as k8s

from stock_airflow import pods

ROOT = Path(__file__).resolve().parents[2]
BIN = ROOT / ".venv/bin"
# what the chart says of a cluster, which isn't there
OF_THE_CLUSTER = ("KAFKA_", "MINIO_", "LAKE_", "WAREHOUSE_", "SNOWFLAKE_", "SPARK_", "PYSPARK_", "XCOM_")
DEADLINE_SECONDS = 300


@dataclass
class LocalPods:
    """Runs programs of pods and SparkApplications, and remembers what was asked of it.

    `canned`: results by task id; such a task runs nothing. `doom`: by task id, how many of its processes are killed,
    each once the condition holds for its command.
    """

    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    canned: dict[str, Any] | None = None
    doom: dict[str, tuple[int, Callable[[list[str]], bool]]] = field(default_factory=dict)
    pods: list[tuple[str, k8s.V1Pod]] = field(default_factory=list)
    applications: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    commands: list[tuple[str, list[str]]] = field(default_factory=list)
    killed: list[str] = field(default_factory=list)

    def install(self, put: Callable[[Any, str, Any], None], read_config_map: Callable[[str], dict[str, str]]) -> None:
        """Take Kubernetes' place by `put(object, attribute, value)`; `read_config_map` knows ConfigMaps by suffix."""

        def run_pod(operator: Any, context: Any) -> Any:
            return self.run_pod(operator.task_id, operator.build_pod_request_obj(context), operator.do_xcom_push)

        def run_application(operator: Any, context: Any) -> None:
            self.run_application(operator.task_id, operator.template_spec)

        put(pods, "read_config_map", lambda _conn_id, suffix: read_config_map(suffix))
        put(KubernetesPodOperator, "execute", run_pod)
        put(SparkKubernetesOperator, "execute", run_application)

    def run_pod(self, task_id: str, pod: k8s.V1Pod, wants_summary: bool) -> Any:
        """Run the pod's containers one after the other and return the last one's summary."""
        self.pods.append((task_id, pod))
        base = pod.spec.containers[0]
        for container in pod.spec.init_containers or ():
            self._run(task_id, _command(container), self._environment(container))
        summary = self.folder / f"{pod.metadata.name}.json"
        extra = {"XCOM_PATH": str(summary)} if wants_summary else {}
        self._run(task_id, _command(base), self._environment(base) | extra)
        if self.canned is not None:
            return self.canned.get(task_id, {})
        return json.loads(summary.read_text()) if wants_summary else None

    def run_application(self, task_id: str, application: dict[str, Any]) -> None:
        """Run a SparkApplication's job."""
        self.applications.append((task_id, application))
        spec = application["spec"]
        job = Path(spec["mainApplicationFile"]).stem
        self._run(task_id, [str(BIN / "python"), "-m", f"stockpipe.spark.jobs.{job}", *spec["arguments"]], {})

    def run_program(self, program: str, *arguments: str) -> str:
        """Run a program on the stack and return its output, whatever its exit code."""
        environment = {"PATH": os.environ["PATH"], **self.environment}
        done = subprocess.run([BIN / program, *arguments], env=environment, capture_output=True, text=True, check=False)
        assert done.stdout, done.stderr
        return done.stdout

    def _environment(self, container: k8s.V1Container) -> dict[str, str]:
        given = {each.name: each.value for each in container.env or () if each.value is not None}
        return {name: value for name, value in given.items() if not name.startswith(OF_THE_CLUSTER)}

    def _run(self, task_id: str, command: list[str], environment: Mapping[str, str]) -> None:
        self.commands.append((task_id, command))
        if self.canned is not None:
            return
        log = self.folder / f"{len(self.commands):03d}-{task_id}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                env={"PATH": os.environ["PATH"], **environment, **self.environment},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            with _killed_at_the_end(process):
                self._watch(task_id, command, process)
        if process.returncode:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-8:])
            raise AirflowException(f"{' '.join(command)} ended with {process.returncode}:\n{tail}")

    def _watch(self, task_id: str, command: list[str], process: "subprocess.Popen[bytes]") -> None:
        times, condition = self.doom.get(task_id, (0, lambda _command: False))
        deadline = time.monotonic() + DEADLINE_SECONDS
        while process.poll() is None and time.monotonic() < deadline:
            if times and condition(command):
                self.doom[task_id] = (times - 1, condition)
                self.killed.append(task_id)
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.02 if times else 0.2)
        if process.returncode is None:
            raise AirflowException(f"{' '.join(command)} still runs after {DEADLINE_SECONDS} s")


def _command(container: k8s.V1Container) -> list[str]:
    component = container.image.split("/")[-1].split(":")[0]
    command = [*(container.command or [f"stockpipe-{component}"]), *(container.args or ())]
    return [str(BIN / word) if word == "python" or word.startswith("stockpipe-") else word for word in command]


@contextmanager
def _killed_at_the_end(process: "subprocess.Popen[bytes]") -> Iterator[None]:
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
