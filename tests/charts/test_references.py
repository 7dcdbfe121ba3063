"""What refers to something finds it: selectors their pods, pods their volumes, accounts and Secrets."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from stockpipe.standalone.go_programs import HELM_4
from support.charts import CHARTS, RENDERINGS, Document, Pod, Rendering, pods, render

every_rendering = pytest.mark.parametrize("rendering", RENDERINGS, ids=str)

OTHERS_ACCOUNTS = {"default", "spark"}
"""Every namespace has the first; spark-operator's chart makes the second."""


COMPONENTS = "producer|consumer|loader|auditor|api|spark"


def matches(selector: Document, labels: dict[str, str]) -> bool:
    """Return whether a label selector, with matchLabels and matchExpressions, takes the labels."""
    wanted = selector.get("matchLabels", {})
    if any(labels.get(name) != value for name, value in wanted.items()):
        return False
    for each in selector.get("matchExpressions", ()):
        assert each["operator"] == "In"
        if labels.get(each["key"]) not in each["values"]:
            return False
    return True


@every_rendering
def test_a_workload_selects_its_own_pods_and_no_others(rendering: Rendering) -> None:
    documents = render(HELM_4, rendering)
    for document in documents:
        if document["kind"] in ("Deployment", "StatefulSet"):
            selected = [pod for pod in pods(documents) if matches(document["spec"]["selector"], pod.labels)]
            assert [pod.name for pod in selected] == [document["metadata"]["name"]]


@every_rendering
def test_services_budgets_policies_and_monitors_select_something(rendering: Rendering) -> None:
    documents = render(HELM_4, rendering)
    labels = [pod.labels for pod in pods(documents)]
    for document in documents:
        spec = document.get("spec", {})
        for selector in selectors_of_pods(document["kind"], spec):
            assert any(matches(selector, each) for each in labels), (document["kind"], document["metadata"]["name"])
        if document["kind"] == "ServiceMonitor":
            found = [each for each in documents if each["kind"] == "Service"]
            found = [each for each in found if matches(spec["selector"], each["metadata"]["labels"])]
            assert found
            served = {port["name"] for each in found for port in each["spec"]["ports"]}
            assert served <= {endpoint["port"] for endpoint in spec["endpoints"]}
        if document["kind"] == "ScaledObject":
            name = spec["scaleTargetRef"]["name"]
            (target,) = [each for each in documents if (each["kind"], each["metadata"]["name"]) == ("Deployment", name)]
            # KEDA owns the number
            assert "replicas" not in target["spec"]


def selectors_of_pods(kind: str, spec: Document) -> Iterator[Document]:
    if kind == "Service" and spec.get("selector"):
        yield {"matchLabels": spec["selector"]}
    if kind in ("PodDisruptionBudget", "PodMonitor"):
        yield spec["selector"]
    if kind == "NetworkPolicy":
        yield spec["podSelector"]


@every_rendering
def test_a_service_reaches_a_port_of_its_pods(rendering: Rendering) -> None:
    documents = render(HELM_4, rendering)
    for document in documents:
        if document["kind"] != "Service" or not document["spec"].get("selector"):
            continue
        selected = [
            pod for pod in pods(documents) if matches({"matchLabels": document["spec"]["selector"]}, pod.labels)
        ]
        for pod in selected:
            offered = {value for port in ports_of(pod) for value in (port.get("name"), port["containerPort"])}
            for port in document["spec"]["ports"]:
                assert port.get("targetPort", port["port"]) in offered, (document["metadata"]["name"], pod)


def ports_of(pod: Pod) -> list[dict[str, Any]]:
    return [port for container in pod.spec["containers"] for port in container.get("ports", ())]


@every_rendering
def test_every_volume_is_there_and_mounted(rendering: Rendering) -> None:
    for pod in pods(render(HELM_4, rendering)):
        volumes = [volume["name"] for volume in pod.spec.get("volumes", ())]
        assert len(set(volumes)) == len(volumes), pod
        mounts = [mount["name"] for container in pod.containers for mount in container.get("volumeMounts", ())]
        claims = [each["metadata"]["name"] for each in claim_templates(rendering, pod)]
        assert set(mounts) == {*volumes, *claims}, pod


def claim_templates(rendering: Rendering, pod: Pod) -> list[Document]:
    for document in render(HELM_4, rendering):
        if document["kind"] == "StatefulSet" and document["metadata"]["name"] == pod.name:
            templates: list[Document] = document["spec"].get("volumeClaimTemplates", [])
            return templates
    return []


@every_rendering
def test_what_pods_refer_to_is_made_or_documented(rendering: Rendering) -> None:
    documents = render(HELM_4, rendering)
    everything = render(HELM_4, replace(rendering, sets=()))
    made = {(each["kind"], each["metadata"]["name"]) for each in everything}
    readme = (CHARTS / "stock-pipeline" / "README.md").read_text()
    values = "".join((CHARTS / rendering.chart / file).read_text() for file in rendering.files)
    for pod in pods(documents):
        account = pod.spec.get("serviceAccountName", "default")
        assert account in OTHERS_ACCOUNTS or ("ServiceAccount", account) in made, (pod, account)
        for kind, name in references(pod):
            if (kind, name) not in made:
                assert kind == "Secret", (pod, kind, name)
                documented = re.sub(rf"^stockpipe-({COMPONENTS})(?=-s3$|$)", "stockpipe-<component>", name)
                assert f"`{documented}`" in readme or f": {name}" in values, (pod, name)


def references(pod: Pod) -> Iterator[tuple[str, str]]:
    for volume in pod.spec.get("volumes", ()):
        if "secret" in volume:
            yield "Secret", volume["secret"]["secretName"]
        if "configMap" in volume:
            yield "ConfigMap", volume["configMap"]["name"]
        if "persistentVolumeClaim" in volume:
            yield "PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]
    for container in pod.containers:
        for variable in container.get("env", ()):
            source = variable.get("valueFrom", {})
            if "secretKeyRef" in source:
                yield "Secret", source["secretKeyRef"]["name"]
