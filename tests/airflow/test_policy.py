"""What the DAGs start is within policy: restricted, bounded, secrets by reference, told apart by labels."""

from collections.abc import Callable
from typing import Any

import pytest
from kubernetes.client import ApiClient

from conftest import load_dags
from local_pods import LocalPods

DAGS = ("stock_market_batch_pipeline", "stock_streaming_pipeline", "stock_market_backfill", "stock_market_audit")
FOUND = {"first_day": "2012-09-19", "last_day": "2012-09-19", "records": 1}
Started = list[tuple[str, dict[str, Any]]]


@pytest.fixture(params=["operator", "local"])
def mode(request: pytest.FixtureRequest, set_settings: Callable[..., None], local_pods: LocalPods) -> str:
    set_settings(spark=request.param)
    return str(request.param)


@pytest.fixture
def started(mode: str, local_pods: LocalPods, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> LocalPods:
    """Every task of every DAG, run with pods that do nothing."""
    monkeypatch.setattr("stock_airflow.sensor.RawDataSensor.execute", lambda _self, context: FOUND)
    of = load_dags()
    for dag_id in DAGS:
        assert run(dag_id, of=of).state == "success"
    return local_pods


def specs(local: LocalPods) -> Started:
    """Return every pod as plain data, and every SparkApplication's driver and executor in the form of a container."""
    api = ApiClient()
    found = [(task_id, api.sanitize_for_serialization(pod)) for task_id, pod in local.pods]
    for task_id, application in local.applications:
        spec = application["spec"]
        for role in ("driver", "executor"):
            part = spec[role]
            limits = {"cpu": part["coreLimit"], "memory": part["memory"]}
            container = {
                "name": role,
                "image": spec["image"],
                "env": part["env"],
                "securityContext": part["securityContext"],
                "resources": {"limits": limits, "requests": {"cpu": part["coreRequest"], "memory": part["memory"]}},
            }
            pod_spec = {
                "containers": [container],
                "volumes": spec["volumes"],
                "securityContext": part["podSecurityContext"],
                "serviceAccountName": part["serviceAccount"],
                "automountServiceAccountToken": role == "driver",
                "restartPolicy": "Never",
            }
            found.append((f"{task_id}/{role}", {"metadata": {"labels": part["labels"]}, "spec": pod_spec}))
    return found


def test_everything_that_is_started_is_within_policy(started: LocalPods, mode: str) -> None:
    found = specs(started)
    tasks = {task_id.partition("/")[0] for task_id, _pod in found}
    assert tasks == {
        "fetch_historical_data",
        "consume_historical_data",
        "process_data",
        "load_historical_to_snowflake",
        "collect_streaming_data",
        "spark_analytics_processing",
        "validate_analytics_data",
        "load_to_snowflake",
        "fetch_chunk",
        "validate_daily_data",
    }
    for task_id, pod in found:
        spec = pod["spec"]
        containers = [*spec.get("initContainers", ()), *spec["containers"]]
        assert spec["securityContext"]["runAsNonRoot"] is True, task_id
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, task_id
        assert spec["restartPolicy"] == "Never", task_id
        assert not any(spec.get(key) for key in ("hostNetwork", "hostPID", "hostIPC")), task_id
        assert all("hostPath" not in volume for volume in spec["volumes"]), task_id
        for container in containers:
            check_container(f"{task_id} {container['name']}", container)
        # only Spark's driver speaks to Kubernetes
        assert spec.get("automountServiceAccountToken") is task_id.endswith("/driver"), task_id
        assert spec["serviceAccountName"] not in ("", "default"), task_id
        labels = pod["metadata"]["labels"]
        assert labels["stock-pipeline/batch-id"].startswith("2012"), task_id
        assert all(len(value) <= 63 for value in labels.values()), task_id
        if "/" not in task_id:
            assert {"dag_id", "task_id", "run_id", "try_number"} <= labels.keys(), task_id


def check_container(name: str, container: dict[str, Any]) -> None:
    security, resources = container["securityContext"], container["resources"]
    assert security["allowPrivilegeEscalation"] is False, name
    assert security["runAsNonRoot"] is True, name
    assert security["readOnlyRootFilesystem"] is True, name
    assert security["capabilities"] == {"drop": ["ALL"]}, name
    assert resources["limits"].keys() == resources["requests"].keys() == {"cpu", "memory"}, name
    assert container["image"].rpartition(":")[2] not in ("", "latest"), name
    for variable in container.get("env", ()):
        secret = variable["name"].endswith(("PASSWORD", "SECRET_KEY", "ACCESS_KEY", "API_KEY"))
        assert not (secret and "value" in variable), f"{name}: {variable['name']} holds a secret"


def test_every_pod_is_found_again_and_removed_as_the_factory_says(dags: dict[str, Any]) -> None:
    from stock_airflow.pods import ServicePod, SparkApplication

    checked = 0
    for dag in dags.values():
        for each in dag.tasks:
            operator = getattr(each, "operator_class", type(each))
            if operator not in (ServicePod, SparkApplication):
                continue
            checked += 1
            arguments = getattr(each, "partial_kwargs", None) or vars(each)
            assert arguments["durable"] is True
            assert getattr(arguments["on_kill_action"], "value", arguments["on_kill_action"]) == "delete_pod"
            finish = arguments["on_finish_action"]
            assert getattr(finish, "value", finish) == "delete_succeeded_pod"
            assert arguments["execution_timeout"] is not None
    assert checked == 12
