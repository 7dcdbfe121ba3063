"""One installation for all tests of this folder; they run in order, each on what the one before left."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.kube import await_ready, kubectl, run

PLATFORM = "charts/platform/values-plain.yaml"
PIPELINE = "charts/stock-pipeline/values-small.yaml"
OURS = "tests/e2e/values-pipeline.yaml"


def install(*values: Path) -> str:
    """Install or upgrade both releases, wait until everything runs, and return what the script printed.

    PLATFORM_VALUES and PIPELINE_VALUES name other values files than those of a cluster without operators; `values` are
    more of them for the pipeline.
    """
    pipeline = (os.environ.get("PIPELINE_VALUES", PIPELINE), OURS, *map(str, values))
    environment = {
        "PLATFORM_VALUES": os.environ.get("PLATFORM_VALUES", PLATFORM),
        "PIPELINE_VALUES": " ".join(pipeline),
    }
    return run("k8s/install.sh", environment=environment, seconds=1500)


@pytest.fixture(scope="session", autouse=True)
def installed(request: pytest.FixtureRequest) -> Iterator[None]:
    """Everything runs."""
    if not request.config.getoption("--e2e"):
        pytest.skip("needs a cluster: make e2e installs into the current kubectl context")
    started = time.monotonic()
    if not request.config.getoption("--e2e-installed"):
        install()
    await_ready()
    print(f"installed after {time.monotonic() - started:.0f} s")
    yield
    if request.session.testsfailed:
        print(kubectl("get", "pods", "--output", "wide"))
        print(kubectl("get", "events", "--sort-by=.lastTimestamp"))


@pytest.fixture
def producing() -> Iterator[None]:
    """Quotes flow during the test, and stop at its end."""
    scale_producer(1)
    await_ready()
    yield
    scale_producer(0)


def scale_producer(replicas: int) -> None:
    """Start or stop the realtime producer."""
    kubectl("scale", "deployment/stock-pipeline-producer", f"--replicas={replicas}")
