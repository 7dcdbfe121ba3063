"""Charts as Helm renders them, and the pods that come of them."""

import functools
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from stockpipe.standalone.go_programs import HELM_3, HELM_4, GoProgram
from support.go_programs import require

CHARTS = Path(__file__).resolve().parents[2] / "charts"
NAMESPACE = "stock-market"
HELMS = (HELM_3, HELM_4)
KUBERNETES = "1.34.0"
"""What the charts are rendered for; a Helm built by `go install` knows no version of its own."""

Document = dict[str, Any]


@dataclass(frozen=True)
class Rendering:
    """A chart with one of its values files, on top of others where that file says so; it gives the name.

    `variant` is appended to it where single values are `sets` as well.
    """

    chart: str
    files: tuple[str, ...]
    sets: tuple[str, ...] = ()
    variant: str = ""

    def __str__(self) -> str:
        file = self.files[-1] if self.files else "values.yaml"
        return f"{self.chart}-{file.removeprefix('values-').removesuffix('.yaml')}{self.variant}"

    @property
    def arguments(self) -> list[str]:
        """Return the arguments that name chart and values."""
        files = [f"--values={CHARTS / self.chart / file}" for file in self.files]
        return [self.chart, str(CHARTS / self.chart), *files, *(f"--set={each}" for each in self.sets)]


PIPELINE = tuple(
    Rendering("stock-pipeline", files)
    for files in (
        ("values-small.yaml",),
        ("values-kind.yaml",),
        ("values-production.yaml",),
        ("values-production.yaml", "values-aws.yaml"),
        ("values-production.yaml", "values-gcp.yaml"),
    )
)
PIPELINE += (Rendering("stock-pipeline", ("values-small.yaml",), ("networkPolicy.enabled=true",), "-policies"),)
# passwords that the chart would make are random
PLATFORM = tuple(
    Rendering("platform", (file.name,), ("secrets.create=false",))
    for file in sorted((CHARTS / "platform").glob("values-*.yaml"))
)
RENDERINGS = PIPELINE + PLATFORM


def run_helm(program: GoProgram, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run Helm without a cluster; it may fail."""
    return subprocess.run([require(program), *arguments], capture_output=True, text=True, check=False)


def template(program: GoProgram, rendering: Rendering, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run `helm template`, which may fail."""
    options = [f"--namespace={NAMESPACE}", f"--kube-version={KUBERNETES}", *arguments]
    return run_helm(program, "template", *rendering.arguments, *options)


@functools.cache
def render(program: GoProgram, rendering: Rendering) -> tuple[Document, ...]:
    """Return what Helm renders, sorted by kind and name."""
    done = template(program, rendering)
    assert not done.returncode, done.stderr
    documents = [each for each in yaml.safe_load_all(done.stdout) if each]
    return tuple(sorted(documents, key=lambda each: (each["kind"], each["metadata"]["name"])))


def spark_applications(documents: tuple[Document, ...]) -> Iterator[tuple[str, Document]]:
    """Yield every SparkApplication by name, also those that ConfigMaps hold for Airflow."""
    for document in documents:
        name = document["metadata"]["name"]
        if document["kind"] == "SparkApplication":
            yield name, document
        if document["kind"] == "ConfigMap":
            for key, text in document.get("data", {}).items():
                if key.endswith(".yaml") and "kind: SparkApplication" in text:
                    yield f"{name}/{key}", yaml.safe_load(text)


@dataclass(frozen=True)
class Pod:
    """A pod that comes of a document, in the form of a Pod's own spec."""

    name: str
    kind: str
    labels: dict[str, str]
    spec: Document

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"

    @property
    def containers(self) -> list[Document]:
        """Return its containers, those that run first too."""
        return [*self.spec.get("initContainers", ()), *self.spec["containers"]]


def pods(documents: tuple[Document, ...]) -> Iterator[Pod]:
    """Yield every pod, those of Spark's drivers and executors too."""
    for document in documents:
        kind, name, spec = document["kind"], document["metadata"]["name"], document.get("spec", {})
        if kind == "Pod":
            yield Pod(name, kind, document["metadata"]["labels"], spec)
        elif kind in ("Deployment", "StatefulSet", "Job"):
            yield _of_template(name, kind, spec["template"])
        elif kind == "CronJob":
            yield _of_template(name, kind, spec["jobTemplate"]["spec"]["template"])
    for name, application in spark_applications(documents):
        for role in ("driver", "executor"):
            yield _of_spark(name, role, application["spec"])


def _of_template(name: str, kind: str, pod: Document) -> Pod:
    return Pod(name, kind, pod["metadata"]["labels"], pod["spec"])


def _of_spark(name: str, role: str, spec: Document) -> Pod:
    """Return the pod that spark-operator 2.5.2 makes of the role, as far as the policies ask."""
    part = spec[role]
    megabytes = sum(_megabytes(part[size]) for size in ("memory", "memoryOverhead"))
    container = {
        "name": f"spark-kubernetes-{role}",
        "image": spec["image"],
        "command": ["python", spec["mainApplicationFile"]] if role == "driver" else ["java"],
        "env": part.get("env", []),
        "volumeMounts": part.get("volumeMounts", []),
        "securityContext": part["securityContext"],
        "ports": part.get("ports", []),
        "resources": {
            "requests": {"cpu": part["coreRequest"], "memory": f"{megabytes}Mi"},
            "limits": {"cpu": part["coreLimit"], "memory": f"{megabytes}Mi"},
        },
    }
    return Pod(
        f"{name}-{role}",
        "SparkApplication",
        {**part["labels"], "spark-role": role},
        {
            "containers": [container],
            "volumes": spec.get("volumes", []),
            "securityContext": part["podSecurityContext"],
            "serviceAccountName": part["serviceAccount"],
            "automountServiceAccountToken": role == "driver",
        },
    )


def _megabytes(size: str) -> int:
    return int(size[:-1]) * {"m": 1, "g": 1024}[size[-1]]
