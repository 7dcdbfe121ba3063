"""Airflow on SQLite in a folder of its own; the chart as Helm renders it; the pipeline's stack, started once."""

import atexit
import dataclasses
import functools
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
HOME = Path(tempfile.mkdtemp(prefix="stock-airflow-"))
atexit.register(shutil.rmtree, HOME, ignore_errors=True)
NOWHERE = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "none",
    "contexts": [{"name": "none", "context": {"cluster": "none", "user": "none"}}],
    "clusters": [{"name": "none", "cluster": {"server": "http://127.0.0.1:1"}}],
    "users": [{"name": "none", "user": {}}],
}
# before the first import of Airflow
os.environ |= {
    "AIRFLOW_HOME": str(HOME),
    "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "airflow/dags"),
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
    "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "300",  # Airflow's own modules are imported within it
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{HOME}/airflow.db",
    "AIRFLOW__API__BASE_URL": "https://airflow.example.com",
    "AIRFLOW_CONN_KUBERNETES_DEFAULT": json.dumps({"conn_type": "kubernetes", "extra": {"kube_config": NOWHERE}}),
}

import pytest  # noqa: E402
import yaml  # noqa: E402
from airflow.dag_processing.dagbag import DagBag  # noqa: E402
from airflow.sdk import DAG  # noqa: E402
from airflow.utils import db  # noqa: E402

from local_pods import BIN, LocalPods  # noqa: E402
from stock_airflow import alerts, cleanup, lake, pods, report  # noqa: E402
from stock_airflow.sensor import RawDataSensor  # noqa: E402

Run = Callable[..., Any]


@functools.cache
def helm() -> str:
    """Return the path of Helm; skip where there is none."""
    code = "from stockpipe.standalone.go_programs import HELM_4; print(HELM_4.find() or '')"
    found = subprocess.run([BIN / "python", "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    if not found:
        pytest.skip("helm is neither on the PATH nor built; `make servers` builds it by Go")
    return found


@functools.cache
def config_maps(mode: str) -> dict[str, dict[str, str]]:
    """Return the texts of the chart's ConfigMaps by name, with spark.mode `operator` or `local`."""
    chart = ROOT / "charts/stock-pipeline"
    values = "values-kind.yaml" if mode == "operator" else "values-small.yaml"
    command = [helm(), "template", "stock-pipeline", str(chart), f"--values={chart / values}"]
    command += ["--set=airflow.enabled=true,batch.cron.enabled=false", "--kube-version=1.34.0"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    documents = [each for each in yaml.safe_load_all(done.stdout) if each]
    return {each["metadata"]["name"]: each["data"] for each in documents if each["kind"] == "ConfigMap"}


@pytest.fixture(scope="session")
def database() -> None:
    """Airflow's database, made once."""
    db.initdb()


@pytest.fixture(scope="session")
def dags() -> dict[str, DAG]:
    """The DAGs as Airflow finds them."""
    return load_dags()


@pytest.fixture(scope="session")
def runnable_dags() -> dict[str, DAG]:
    """The DAGs again, for runs that change them."""
    return load_dags()


def load_dags() -> dict[str, DAG]:
    """Read the DAG files anew."""
    bag = DagBag(dag_folder=str(ROOT / "airflow/dags"))
    assert bag.import_errors == {}
    return dict(bag.dags)


@dataclasses.dataclass
class FakeCluster:
    """What `cleanup` asks of Kubernetes: pods by name with their labels and phase."""

    pods: dict[str, tuple[dict[str, str], str]] = dataclasses.field(default_factory=dict)
    selectors: list[str] = dataclasses.field(default_factory=list)

    @property
    def core_v1_client(self) -> "FakeCluster":
        return self

    def list_namespaced_pod(self, namespace: str, label_selector: str, field_selector: str = "") -> Any:
        from kubernetes.client import models as k8s

        self.selectors.append(label_selector)
        chosen = [
            k8s.V1Pod(metadata=k8s.V1ObjectMeta(name=name))
            for name, (labels, phase) in self.pods.items()
            if _matches(label_selector, labels) and f"!={phase}" not in field_selector
        ]
        return k8s.V1PodList(items=chosen)

    def delete_namespaced_pod(self, name: str, namespace: str) -> None:
        del self.pods[name]


def _matches(selector: str, labels: dict[str, str]) -> bool:
    for part in selector.split(","):
        name, differs, value = part.partition("!=")
        if differs:
            if labels.get(name) == value:
                return False
            continue
        name, equals, value = part.partition("=")
        if name not in labels or (equals and labels[name] != value):
            return False
    return True


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> FakeCluster:
    """Kubernetes' pods, in memory."""
    found = FakeCluster()
    monkeypatch.setattr(cleanup, "KubernetesHook", lambda: found)
    return found


@pytest.fixture
def set_settings(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Change settings of the DAGs for a test."""

    def change(**values: Any) -> None:
        for module in (alerts, cleanup, lake, pods, report):
            changed = dataclasses.replace(vars(module)["SETTINGS"], **values)
            monkeypatch.setattr(module, "SETTINGS", changed)

    return change


@pytest.fixture
def local_pods(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    database: None,
    cluster: FakeCluster,
    set_settings: Callable[..., None],
) -> LocalPods:
    """Pods that run nothing; the lake is a folder below `tmp_path`."""
    local = LocalPods(tmp_path / "pods", canned={})
    local.folder.mkdir()
    set_settings(lake=f"file://{tmp_path}/lake")

    def read_config_map(suffix: str) -> dict[str, str]:
        return config_maps(vars(pods)["SETTINGS"].spark)[f"stock-pipeline-{suffix}"]

    local.install(monkeypatch.setattr, read_config_map)
    return local


@pytest.fixture
def run(local_pods: LocalPods, runnable_dags: dict[str, DAG]) -> Run:
    """Run a DAG as `airflow dags test` does and return its DAG run."""

    def run_dag(dag_id: str, day: str | None = "2012-09-19", of: dict[str, DAG] | None = None, **conf: Any) -> Any:
        dag = (of or runnable_dags)[dag_id]
        for each in dag.tasks:
            each.retry_delay = timedelta(0)
            if isinstance(each, RawDataSensor):
                each.poke_interval, each.timeout = 1, 30
        at = datetime.fromisoformat(day).replace(tzinfo=UTC) if day else None
        return dag.test(logical_date=at, run_conf=conf)

    return run_dag


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[dict[str, str], Callable[[str], None]]]:
    """A real Kafka: the programs' environment, and a way to make topics of a name."""
    folder = tmp_path_factory.mktemp("stack")
    with ExitStack() as running, (folder / "stack.log").open("w") as log:
        command = [BIN / "python", Path(__file__).with_name("stack.py"), folder / "run"]
        process = running.enter_context(
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)
        )
        assert process.stdin is not None
        assert process.stdout is not None
        running.callback(process.stdin.close)
        line = process.stdout.readline()
        assert line, (folder / "stack.log").read_text()

        def make_topics(name: str) -> None:
            print(name, file=process.stdin, flush=True)
            assert process.stdout is not None
            assert process.stdout.readline() == "made\n"

        yield json.loads(line), make_topics


@pytest.fixture
def real_pods(
    local_pods: LocalPods,
    stack: tuple[dict[str, str], Callable[[str], None]],
    tmp_path: Path,
    request: pytest.FixtureRequest,
    set_settings: Callable[..., None],
) -> LocalPods:
    """Pods that run the real programs, on topics, a lake and a warehouse of this test."""
    environment, make_topics = stack
    name = request.node.name.replace("_", "-")
    make_topics(name)
    topics = {f"KAFKA_TOPIC_{kind.upper()}": f"{name}-{kind}" for kind in ("realtime", "batch", "actions")}
    local_pods.canned = None
    local_pods.environment = (
        environment
        | topics
        | {
            "KAFKA_CONSUMER_GROUP_PREFIX": f"{name}-",
            "LAKE_URL": f"file://{tmp_path}/lake",
            "WAREHOUSE_URL": f"duckdb://{tmp_path}/warehouse.duckdb",
        }
    )
    set_settings(lake=f"file://{tmp_path}/lake", topic_batch=f"{name}-batch")
    local_pods.run_program("stockpipe-loader", "migrate")
    return local_pods
