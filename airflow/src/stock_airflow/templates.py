"""What the chart says about how programs run: pods and SparkApplications, kept in ConfigMaps of its namespace."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from airflow.providers.cncf.kubernetes.hooks.kubernetes import KubernetesHook
from airflow.sdk.exceptions import AirflowException, AirflowSkipException
from kubernetes.client.exceptions import ApiException

from stock_airflow.settings import SETTINGS

Document = dict[str, Any]
Step = Mapping[str, Any]
"""A program of a pod: `program` names the chart's template; optional are

`command`: in place of the image's own; `args`: empty ones are left out; `options`: flags with their values, left out
where the value is empty; `when`: the step is left out if this is empty.
"""


def read_config_map(conn_id: str | None, suffix: str) -> dict[str, str]:
    """Return the texts, by key, of the ConfigMap whose name is the release's and `suffix`.

    Raises:
        AirflowException: it isn't there, or Airflow may not read it.
    """
    namespace, name = SETTINGS.namespace, f"{SETTINGS.release}-{suffix}"
    try:
        found = KubernetesHook(conn_id=conn_id).core_v1_client.read_namespaced_config_map(name, namespace)
    except ApiException as error:
        raise AirflowException(
            f"ConfigMap {namespace}/{name} can't be read ({error.status} {error.reason}): install the chart "
            "stock-pipeline there with airflow.enabled=true, airflow.namespace and airflow.serviceAccounts"
        ) from error
    return found.data or {}


def find_template(texts: Mapping[str, str], name: str) -> Document:
    """Return one of the ConfigMap's documents.

    Raises:
        AirflowException: there is none of that name.
    """
    try:
        document: Document = yaml.safe_load(texts[f"{name}.yaml"])
    except KeyError:
        known = ", ".join(sorted(key.removesuffix(".yaml") for key in texts))
        raise AirflowException(f"the chart has no template {name!r}, only {known}; see STOCK_DAGS_SPARK") from None
    return document


def arguments(step: Step) -> list[str]:
    """Return the step's arguments without those that are empty."""
    options = [(flag, value) for flag, value in step.get("options", {}).items() if value]
    return [*(each for each in step.get("args", ()) if each), *(text for pair in options for text in pair)]


def make_pod(texts: Mapping[str, str], steps: Sequence[Step]) -> Document:
    """Return a pod that runs the steps one after the other, each as its template says; the last one is `base`.

    Raises:
        AirflowException: a step has no template.
        AirflowSkipException: no step is left.
    """
    wanted = [step for step in steps if step.get("when", "yes")]
    if not wanted:
        raise AirflowSkipException("no step of the pod is wanted")
    pods = [_with_step(find_template(texts, step["program"]), step) for step in wanted]
    pod = copy.deepcopy(pods[-1])
    first = [each["spec"]["containers"][0] | {"name": step["program"]} for each, step in zip(pods, wanted, strict=True)]
    if len(pods) > 1:
        pod["spec"]["initContainers"] = first[:-1]
        # with roles in place of keys, the account that may do what each of the programs may
        pod["spec"]["serviceAccountName"] = f"{SETTINGS.release}-jobs"
    volumes = {volume["name"]: volume for each in pods for volume in each["spec"].get("volumes", ())}
    pod["spec"]["volumes"] = list(volumes.values())
    return pod


def _with_step(pod: Document, step: Step) -> Document:
    container = pod["spec"]["containers"][0]
    if command := step.get("command"):
        container["command"] = list(command)
    container["args"] = arguments(step)
    return pod
