"""`airflow dags test` in a pod: its tasks are pods by the chart's templates, and one that is killed is tried again.

Needs the image stockpipe/airflow beside the others: make image-airflow.
"""

import json
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import pytest

from e2e.books import Books, books
from e2e.conftest import scale_producer
from e2e.kube import NAMESPACE, PIPELINE, get, kubectl, run
from support.waiting import eventually

AIRFLOW = "airflow"
DAG_ID = "stock_market_batch_pipeline"
SESSIONS = 77  # from June to the 19th of September 2012
SYMBOLS = 5
SCRIPT = f"""
set -e
airflow db migrate >/tmp/migrate.log 2>&1
airflow dags test {DAG_ID} 2012-09-19 --conf '{{"from": "2012-06-01"}}'
python -c "
import json
from stock_airflow.lake import lake
reports = [json.loads(each.read_text()) for each in (lake() / 'reports/{DAG_ID}').glob('*.json')]
print(json.dumps(max(reports, key=lambda each: each['written_at'])))
"
"""


def release(*values: str) -> None:
    """Change values of the release and leave all others."""
    options = [] if run("helm", "version", "--short").startswith("v3") else ["--server-side=true", "--force-conflicts"]
    run(
        *("helm", "upgrade", PIPELINE, f"charts/{PIPELINE}", "--namespace", NAMESPACE, "--reuse-values", "--wait"),
        *(f"--set={each}" for each in values),
        *options,
    )


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    """What Airflow's pods must know; the chart's templates and rights are there."""
    values = json.loads(run("helm", "get", "values", PIPELINE, "--all", "--namespace", NAMESPACE, "--output", "json"))
    release("airflow.enabled=true", "batch.cron.enabled=false")
    for manifest in (
        {
            "kind": "Namespace",
            "metadata": {"name": AIRFLOW, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
        },
        {"kind": "ServiceAccount", "metadata": {"name": "airflow-scheduler", "namespace": AIRFLOW}},
        {
            "kind": "Secret",
            "metadata": {"name": "airflow-connections", "namespace": AIRFLOW},
            "stringData": {"AIRFLOW_CONN_LAKE": connection(values["lake"]["endpoint"])},
        },
    ):
        run("kubectl", "apply", "--filename", "-", stdin=json.dumps({"apiVersion": "v1", **manifest}))
    yield {
        "AIRFLOW_CONN_KUBERNETES_DEFAULT": json.dumps({"conn_type": "kubernetes", "extra": {"in_cluster": True}}),
        "AIRFLOW_HOME": "/tmp/airflow",
        "AIRFLOW__CORE__DAGS_FOLDER": "/opt/airflow/dags",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "STOCK_DAGS_NAMESPACE": NAMESPACE,
        "STOCK_DAGS_RELEASE": PIPELINE,
        "STOCK_DAGS_SPARK": values["spark"]["mode"],
        "STOCK_DAGS_LAKE": values["lake"]["url"].replace("s3://", "s3://lake@"),
    }
    kubectl("delete", "pod", "--selector", f"dag_id={DAG_ID}")
    run("kubectl", "delete", "namespace", AIRFLOW)
    release("airflow.enabled=false", f"batch.cron.enabled={json.dumps(values['batch']['cron']['enabled'])}")


def connection(endpoint: str) -> str:
    """Return Airflow's connection to the lake, with the keys of its own user."""
    keys = "go-template={{.data.accessKey | base64decode}} {{.data.secretKey | base64decode}}"
    login, password = kubectl("get", "secret", "stockpipe-airflow-s3", "--output", keys).split()
    host = endpoint.replace("//stock-minio:", f"//stock-minio.{NAMESPACE}:")
    return json.dumps({"conn_type": "aws", "login": login, "password": password, "extra": {"endpoint_url": host}})


class DagRun:
    """A pod in which the DAG runs."""

    def __init__(self, name: str, environment: dict[str, str]) -> None:
        self._name = name
        secured = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
        container = {
            "name": AIRFLOW,
            "image": f"stockpipe/airflow:{version('stockpipe-common')}",
            "args": ["bash", "-c", SCRIPT],
            "env": [{"name": key, "value": value} for key, value in environment.items()],
            "envFrom": [{"secretRef": {"name": "airflow-connections"}}],
            "resources": {"requests": {"cpu": "50m", "memory": "512Mi"}, "limits": {"cpu": "1", "memory": "2Gi"}},
            "securityContext": secured,
            "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
        }
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": AIRFLOW},
            "spec": {
                "serviceAccountName": "airflow-scheduler",
                "restartPolicy": "Never",
                "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
                "containers": [container],
                "volumes": [{"name": "tmp", "emptyDir": {}}],
            },
        }
        run("kubectl", "create", "--filename", "-", stdin=json.dumps(pod))

    def ended(self) -> bool:
        """Return whether the run is over; fail with its log if it failed."""
        phase = run("kubectl", "get", "pod", self._name, "--namespace", AIRFLOW, "--output=jsonpath={.status.phase}")
        assert phase != "Failed", self._log("--tail=100")
        return phase == "Succeeded"

    def report(self) -> dict[str, Any]:
        """Wait for the end and return the run's report."""
        eventually(self.ended, f"{self._name} is done", 900.0)
        found: dict[str, Any] = json.loads(self._log("--tail=1"))
        assert found["state"] == "success", found
        return found

    def _log(self, *options: str) -> str:
        return run("kubectl", "logs", self._name, "--namespace", AIRFLOW, *options)


def pods_of(task_id: str) -> list[Any]:
    """Return the task's pods whose program has begun to speak."""
    found: list[Any] = get("pods", "--selector", f"dag_id={DAG_ID},task_id={task_id}")["items"]
    running = [each for each in found if each["status"]["phase"] == "Running"]
    return [each for each in running if kubectl("logs", each["metadata"]["name"], "--container=base").strip()]


def test_a_pod_killed_in_the_middle_is_tried_again_and_a_second_run_changes_nothing(
    environment: dict[str, str],
) -> None:
    scale_producer(0)
    first = DagRun("first", environment)
    eventually(lambda: bool(pods_of("process_data")), "Spark computes", 600.0)
    [killed] = pods_of("process_data")
    assert killed["metadata"]["labels"]["try_number"] == "1"
    kubectl("delete", "pod", killed["metadata"]["name"], "--grace-period=0", "--force")

    told = first.report()

    assert told["rows"]["fetched"] == told["rows"]["landed"] == told["rows"]["computed"] == SESSIONS * SYMBOLS
    loaded = balanced().warehouse_rows("daily")
    assert loaded >= SESSIONS * SYMBOLS

    again = DagRun("again", environment).report()

    assert again["batch_id"] == told["batch_id"]
    assert again["rows"]["computed"] == SESSIONS * SYMBOLS
    assert balanced().warehouse_rows("daily") == loaded


def balanced() -> Books:
    """Return the books, which balance; bars fetched again for a batch that is done wait for the next one."""
    found = books()
    assert found is not None
    assert found.account["balanced"]
    return found
