"""Every pod that the charts make is restricted, limited and dated, and holds no secret in plain view."""

import re
from pathlib import Path

import pytest
import yaml

from stockpipe.consumer.service import STOP_SECONDS
from stockpipe.standalone.go_programs import HELM_4
from support.charts import CHARTS, PIPELINE, RENDERINGS, Rendering, pods, render

RESTRICTED_VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
SECRET_NAME = re.compile(r"(PASSWORD|PASSPHRASE|SECRET|SECRET_KEY|ACCESS_KEY|ACCESS_KEY_ID|API_KEY|TOKEN)$")

MANY = {"consumer-realtime", "consumer-batch", "consumer-actions", "api"}
"""The programs that may run several times."""

every_rendering = pytest.mark.parametrize("rendering", RENDERINGS, ids=str)


@every_rendering
def test_every_pod_is_restricted(rendering: Rendering) -> None:
    for pod in pods(render(HELM_4, rendering)):
        spec, security = pod.spec, pod.spec["securityContext"]
        assert security["runAsNonRoot"] is True, pod
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}, pod
        assert not any(spec.get(name) for name in ("hostNetwork", "hostPID", "hostIPC")), pod
        for volume in spec.get("volumes", ()):
            assert set(volume) - {"name"} <= RESTRICTED_VOLUMES, (pod, volume)
        for container in pod.containers:
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False, (pod, container["name"])
            assert context["capabilities"] == {"drop": ["ALL"]}, (pod, container["name"])
            assert context["readOnlyRootFilesystem"] is True, (pod, container["name"])
            assert not context.get("privileged"), (pod, container["name"])
            assert context.get("runAsUser", 1) != 0, (pod, container["name"])


@every_rendering
def test_only_a_spark_driver_speaks_to_the_api_server(rendering: Rendering) -> None:
    accounts = {
        each["metadata"]["name"]: each for each in render(HELM_4, rendering) if each["kind"] == "ServiceAccount"
    }
    for pod in pods(render(HELM_4, rendering)):
        with_token = pod.spec.get("automountServiceAccountToken", True)
        assert with_token == (pod.labels.get("spark-role") == "driver"), pod
        if pod.labels.get("spark-role") == "executor":
            # spark-operator can't say it in the pod
            assert accounts[pod.spec["serviceAccountName"]]["automountServiceAccountToken"] is False


@every_rendering
def test_every_container_has_requests_and_a_memory_limit(rendering: Rendering) -> None:
    for pod in pods(render(HELM_4, rendering)):
        for container in pod.containers:
            resources = container["resources"]
            assert set(resources["requests"]) >= {"cpu", "memory"}, (pod, container["name"])
            assert "memory" in resources["limits"], (pod, container["name"])


@every_rendering
def test_every_image_has_a_version(rendering: Rendering) -> None:
    for pod in pods(render(HELM_4, rendering)):
        for container in pod.containers:
            tag = container["image"].rpartition("/")[2].partition(":")[2]
            assert tag, (pod, container["image"])
            assert tag != "latest", (pod, container["image"])


@every_rendering
def test_no_secret_is_in_plain_view(rendering: Rendering) -> None:
    documents = render(HELM_4, rendering)
    assert not [each for each in documents if each["kind"] == "Secret" and (each.get("data") or each.get("stringData"))]
    for pod in pods(documents):
        for container in pod.containers:
            for variable in container.get("env", ()):
                if SECRET_NAME.search(variable["name"]):
                    assert "secretKeyRef" in variable["valueFrom"], (pod, variable)


@pytest.mark.parametrize(
    "file", sorted(CHARTS.glob("*/values*.yaml")), ids=lambda file: f"{file.parent.name}-{file.stem}"
)
def test_no_secret_is_in_a_values_file(file: Path) -> None:
    def walk(value: object, path: str) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                walk(inner, f"{path}.{key}")
        elif re.search(r"(password|passphrase|secretKey|accessKey|apiKey|token)$", path, re.IGNORECASE):
            assert not value, f"{path} is {value!r}; a Secret's name belongs here, not a secret"

    walk(yaml.safe_load(file.read_text()), "")


@pytest.mark.parametrize("rendering", PIPELINE, ids=str)
def test_every_program_that_runs_all_the_time_is_watched(rendering: Rendering) -> None:
    for pod in pods(render(HELM_4, rendering)):
        if pod.kind == "Deployment":
            (container,) = pod.spec["containers"]
            ports = {port["name"]: str(port["containerPort"]) for port in container["ports"]}
            assert {"name": "METRICS_PORT", "value": ports["metrics"]} in container["env"]
            assert "http" not in ports or {"name": "LISTEN_PORT", "value": ports["http"]} in container["env"]
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                ready = "http" in ports and probe == "readinessProbe"
                asked = {"path": "/readyz" if ready else "/healthz", "port": "http" if "http" in ports else "metrics"}
                assert container[probe]["httpGet"] == asked, (pod, probe)


@pytest.mark.parametrize("rendering", PIPELINE, ids=str)
def test_the_grace_is_longer_than_a_consumers_last_flush(rendering: Rendering) -> None:
    for pod in pods(render(HELM_4, rendering)):
        if pod.kind == "Deployment":
            assert pod.spec["terminationGracePeriodSeconds"] >= 2 * STOP_SECONDS, pod


@pytest.mark.parametrize("rendering", PIPELINE, ids=str)
def test_what_there_may_be_once_is_never_there_twice(rendering: Rendering) -> None:
    for document in render(HELM_4, rendering):
        if document["kind"] == "Deployment":
            many = document["metadata"]["labels"]["app.kubernetes.io/component"] in MANY
            assert (document["spec"]["strategy"]["type"] == "Recreate") is not many
            assert many or document["spec"]["replicas"] == 1
        if document["kind"] == "CronJob":
            assert document["spec"]["concurrencyPolicy"] == "Forbid"


@pytest.mark.parametrize("rendering", PIPELINE, ids=str)
def test_nothing_overrides_what_keeps_two_drivers_apart(rendering: Rendering) -> None:
    for document in render(HELM_4, rendering):
        text = str(document)
        assert "spark.kubernetes.driver.pod.name" not in text
        assert "podNamePrefix" not in text
