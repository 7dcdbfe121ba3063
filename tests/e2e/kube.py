"""The current kubectl context, by kubectl and helm."""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from support.waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
NAMESPACE = "stock-market"
PIPELINE = "stock-pipeline"
SELECTOR = f"app.kubernetes.io/instance={PIPELINE}"
RUNS_ALL_THE_TIME = {"ReplicaSet", "StatefulSet", "SparkApplication", "StrimziPodSet"}


def run(*command: str, stdin: str | None = None, seconds: float = 900.0, environment: Mapping[str, str] = {}) -> str:
    """Run a program in the repository's root and return what it printed; fail with all of it if it fails."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, f"{' '.join(command)} exited with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def kubectl(*arguments: str, stdin: str | None = None) -> str:
    """Run kubectl in the pipeline's namespace."""
    return run("kubectl", "--namespace", NAMESPACE, *arguments, stdin=stdin)


def get(*arguments: str) -> Any:
    """Return what `kubectl get` says as JSON."""
    return json.loads(kubectl("get", *arguments, "--output", "json"))


def pods(selector: str = SELECTOR) -> list[Any]:
    """Return the pods of programs that run all the time; an executor is its driver's."""
    found = get("pods", "--selector", f"{selector},spark-role!=executor")["items"]
    owners = [{each["kind"] for each in pod["metadata"].get("ownerReferences", [])} for pod in found]
    return [pod for pod, kinds in zip(found, owners, strict=True) if kinds & RUNS_ALL_THE_TIME]


def is_ready(pod: Any) -> bool:
    """Return whether a pod is ready and not about to go."""
    conditions = {each["type"]: each["status"] for each in pod["status"].get("conditions", [])}
    return conditions.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]


def all_ready(selector: str = SELECTOR) -> bool:
    """Return whether every such pod is ready."""
    found = pods(selector)
    return bool(found) and all(is_ready(pod) for pod in found)


def await_ready(selector: str = SELECTOR, seconds: float = 300.0) -> None:
    """Return once every such pod is ready."""
    eventually(lambda: all_ready(selector), f"every pod of {selector} is ready", seconds)


def replace_pod(name: str, selector: str, *, at_once: bool) -> None:
    """Delete a pod, `at_once` without giving it time to stop, and wait until another one is ready."""
    [old] = [pod["metadata"]["uid"] for pod in pods(selector) if pod["metadata"]["name"] == name]
    kubectl("delete", "pod", name, *(["--grace-period=0", "--force"] if at_once else []))
    eventually(
        lambda: old not in [pod["metadata"]["uid"] for pod in pods(selector)] and all_ready(selector),
        f"pod {name} is replaced",
        300.0,
    )


def await_rollout(kind: str = "deployment", selector: str = SELECTOR) -> None:
    """Return once the newest version of each is there."""
    for name in kubectl("get", kind, "--selector", selector, "--output", "name").split():
        kubectl("rollout", "status", name, "--timeout=10m")


def job_like(workload: str, name: str, command: Sequence[str]) -> str:
    """Run a program once with the pod of a Deployment, its image, settings and Secrets, and return its output."""
    pod = get("deployment", f"{PIPELINE}-{workload}")["spec"]["template"]["spec"]
    container = pod["containers"][0]
    for key in ("startupProbe", "readinessProbe", "livenessProbe", "ports", "args"):
        container.pop(key, None)
    container["command"] = list(command)
    container["env"] = [each for each in container["env"] if each["name"] not in ("METRICS_PORT", "STALL_SECONDS")]
    pod |= {"restartPolicy": "Never", "topologySpreadConstraints": [], "initContainers": []}
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {"backoffLimit": 0, "template": {"spec": pod}},
    }
    kubectl("delete", "job", name, "--ignore-not-found")
    kubectl("create", "--filename", "-", stdin=json.dumps(job))

    def ended() -> bool:
        status = get("job", name)["status"]
        assert not status.get("failed"), kubectl("logs", f"job/{name}", "--tail=50")
        return bool(status.get("succeeded"))

    eventually(ended, f"job {name} is done", 600.0)
    output = kubectl("logs", f"job/{name}")
    kubectl("delete", "job", name)
    return output


def spark_daily(name: str, *arguments: str) -> None:
    """Run the daily job to its end: by the chart's template for spark-operator, else in a pod like the stream's."""
    templates = kubectl("get", "configmap", f"{PIPELINE}-spark-batch", "--ignore-not-found", "--output", "json")
    if not templates:
        job_like("stream", name, ["python", "-m", "stockpipe.spark.jobs.spark_batch_processor", *arguments])
        return
    application = yaml.safe_load(json.loads(templates)["data"]["daily.yaml"])
    application["metadata"]["name"] = name
    application["spec"]["arguments"] = list(arguments)
    kubectl("delete", "sparkapplication", name, "--ignore-not-found")
    kubectl("create", "--filename", "-", stdin=json.dumps(application))

    def ended() -> bool:
        state = get("sparkapplication", name).get("status", {}).get("applicationState", {}).get("state")
        assert state not in ("FAILED", "SUBMISSION_FAILED"), kubectl("describe", "sparkapplication", name)
        return bool(state == "COMPLETED")

    eventually(ended, f"SparkApplication {name} is done", 600.0)
    kubectl("delete", "sparkapplication", name)
