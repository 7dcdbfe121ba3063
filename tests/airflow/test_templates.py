"""Pods are put together from what the chart says."""

from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowSkipException
from kubernetes.client.exceptions import ApiException

from conftest import config_maps
from stock_airflow import templates
from stock_airflow.templates import Step, arguments, find_template, make_pod, read_config_map


def test_arguments_without_a_value_are_left_out() -> None:
    step = {"program": "x", "args": ["gaps", ""], "options": {"--from": "2012-01-03", "--symbols": "", "--to": None}}
    assert arguments(step) == ["gaps", "--from", "2012-01-03"]


def test_steps_run_one_after_the_other_each_with_its_own_secrets() -> None:
    steps: list[Step] = [
        {"program": "producer-realtime", "command": ["timeout", "5", "stockpipe-producer"], "args": ["realtime"]},
        {"program": "auditor", "when": ""},
        {"program": "consumer-realtime", "args": ["--drain"]},
    ]
    spec = make_pod(config_maps("operator")["stock-pipeline-pods"], steps)["spec"]
    (first,), (base,) = spec["initContainers"], spec["containers"]
    assert (first["name"], first["command"][0], first["args"]) == ("producer-realtime", "timeout", ["realtime"])
    assert (base["name"], base["args"]) == ("base", ["--drain"])
    names = {volume["name"] for volume in spec["volumes"]}
    for container, secret in ((first, "s3-producer"), (base, "s3-consumer")):
        mounted = {mount["name"] for mount in container["volumeMounts"]}
        assert secret in mounted
        assert mounted <= names
    assert "s3-consumer" not in {mount["name"] for mount in first["volumeMounts"]}
    assert spec["serviceAccountName"] == "stock-pipeline-jobs"


def test_a_pod_without_a_step_is_skipped() -> None:
    with pytest.raises(AirflowSkipException):
        make_pod({}, [{"program": "auditor", "when": ""}])


def test_a_template_that_the_chart_lacks_is_named() -> None:
    with pytest.raises(AirflowException, match=r"no template 'spark-daily', only auditor, .*; see STOCK_DAGS_SPARK"):
        find_template(config_maps("operator")["stock-pipeline-pods"], "spark-daily")


def test_a_config_map_that_cant_be_read_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_name: str, _namespace: str) -> Any:
        raise ApiException(status=403, reason="Forbidden")

    client = SimpleNamespace(read_namespaced_config_map=refuse)
    monkeypatch.setattr(templates, "KubernetesHook", lambda conn_id: SimpleNamespace(core_v1_client=client))
    with pytest.raises(AirflowException, match=r"stock-market/stock-pipeline-pods can't be read \(403 Forbidden\)"):
        read_config_map("kubernetes_default", "pods")
