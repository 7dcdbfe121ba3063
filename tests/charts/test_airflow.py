"""What the chart gives to Airflow: a template of each program's pod, and the rights to start it."""

import kubernetes_validate
import pytest
import yaml

from stockpipe.standalone.go_programs import HELM_4
from support.charts import KUBERNETES, Document, Rendering, render

SETS = ("airflow.enabled=true", "batch.cron.enabled=false")
LOCAL = Rendering("stock-pipeline", ("values-small.yaml",), SETS)
OPERATOR = Rendering("stock-pipeline", ("values-production.yaml",), SETS)
PROGRAMS = {"producer-realtime", "producer-batch", "loader", "auditor"} | {
    f"consumer-{topic}" for topic in ("realtime", "batch", "actions")
}


def find(rendering: Rendering, kind: str, name: str) -> Document:
    (found,) = [each for each in render(HELM_4, rendering) if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    return found


def templates(rendering: Rendering) -> dict[str, Document]:
    data = find(rendering, "ConfigMap", "stock-pipeline-pods")["data"]
    return {key.removesuffix(".yaml"): yaml.safe_load(text) for key, text in data.items()}


@pytest.mark.parametrize(
    ("rendering", "programs"), [(OPERATOR, PROGRAMS), (LOCAL, PROGRAMS | {"spark-daily", "spark-realtime"})]
)
def test_each_program_has_a_pod_that_kubernetes_takes(rendering: Rendering, programs: set[str]) -> None:
    found = templates(rendering)
    assert set(found) == programs
    for name, pod in found.items():
        kubernetes_validate.validate(pod | {"metadata": {**pod["metadata"], "name": name}}, KUBERNETES[:4], strict=True)
        assert [each["name"] for each in pod["spec"]["containers"]] == ["base"]


def test_no_pod_of_airflow_is_taken_for_one_of_a_deployment() -> None:
    components = {pod["metadata"]["labels"]["app.kubernetes.io/component"] for pod in templates(OPERATOR).values()}
    assert components == {"airflow-producer", "airflow-consumer", "airflow-loader", "airflow-auditor"}


def test_pods_that_need_the_network_may_use_it() -> None:
    policy = find(OPERATOR, "NetworkPolicy", "stock-pipeline-https")
    (expression,) = policy["spec"]["podSelector"]["matchExpressions"]
    assert {"airflow-producer", "airflow-loader", "airflow-auditor"} <= set(expression["values"])


def test_loading_into_duckdb_runs_on_the_node_of_its_file() -> None:
    for name in ("loader", "auditor"):
        affinity = templates(LOCAL)[name]["spec"]["affinity"]["podAffinity"]
        (term,) = affinity["requiredDuringSchedulingIgnoredDuringExecution"]
        assert term["labelSelector"]["matchLabels"]["app.kubernetes.io/component"] == "loader"


def test_airflow_may_do_what_its_operators_call_and_no_more() -> None:
    role = find(OPERATOR, "Role", "stock-pipeline-airflow")
    rights = {(resource, verb) for rule in role["rules"] for resource in rule["resources"] for verb in rule["verbs"]}
    assert ("pods", "create") in rights
    assert ("sparkapplications", "create") in rights
    assert not {resource for resource, _verb in rights} & {"secrets", "*"}
    (config_maps,) = [rule for rule in role["rules"] if rule["resources"] == ["configmaps"]]
    assert config_maps["resourceNames"] == ["stock-pipeline-pods", "stock-pipeline-spark-batch"]
    binding = find(OPERATOR, "RoleBinding", "stock-pipeline-airflow")
    assert {each["namespace"] for each in binding["subjects"]} == {"airflow"}
