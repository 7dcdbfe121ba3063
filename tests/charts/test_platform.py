"""The platform chart: wrong values say what to set, and every mode gives the same topics and rights."""

import json
import re
from typing import Any

import pytest

from stockpipe.standalone.go_programs import HELM_4
from support.charts import PLATFORM, render, template

MODES = {str(rendering).removeprefix("platform-"): rendering for rendering in PLATFORM}

WRONG = [
    ("kind", "kafka.replication=3", "kafka.replication is 3, but there are 1 brokers: set it to at most that"),
    ("plain", "kafka.replication=2", "kafka.replication is 2, but there are 1 brokers"),
    ("production", "kafka.minInSyncReplicas=4", "above kafka.replication 3, so nothing could be written: lower it"),
    ("production", "kafka.strimzi.pools.controller.replicas=2", "give pools with role controller an odd number"),
    ("kind", "minio.tenant.servers=2", "minio.tenant has 2 volumes in all: MinIO takes 1, or 4 and more"),
    ("kind", "minio.image=minio:latest", "minio/image"),
    ("plain", "kafka.plain.image=kafka", "kafka/plain/image"),
    ("kind", "kafka.mode=zookeeper", "kafka/mode'?: value must be one of 'strimzi', 'plain', 'external'"),
    ("kind", "kafka.topics.realtime.partition=3", "additional properties 'partition' not allowed"),
    ("plain", "minio.resources.limits.memory=null", "missing property 'memory'"),
]


@pytest.mark.parametrize(("mode", "values", "sentence"), WRONG, ids=[values for _, values, _ in WRONG])
def test_wrong_values_fail_with_what_to_set(mode: str, values: str, sentence: str) -> None:
    done = template(HELM_4, MODES[mode], "--set", values)
    assert done.returncode
    assert re.search(sentence, done.stderr), done.stderr


def wanted(mode: str) -> Any:
    [found] = [
        each
        for each in render(HELM_4, MODES[mode])
        if each["metadata"]["name"] == "stock-provision-kafka" and each["kind"] == "ConfigMap"
    ]
    return json.loads(found["data"]["wanted.json"])


def test_plain_mode_gives_the_rights_that_strimzi_would_give() -> None:
    users = {
        each["metadata"]["name"]: [
            {**acl["resource"], "operations": acl["operations"]} for acl in each["spec"]["authorization"]["acls"]
        ]
        for each in render(HELM_4, MODES["kind"])
        if each["kind"] == "KafkaUser"
    }
    assert users == {f"stockpipe-{name}": acls for name, acls in wanted("plain")["acls"].items()}
    assert set(users) == {f"stockpipe-{name}" for name in ("producer", "consumer", "auditor", "spark")}


def test_plain_mode_makes_the_topics_that_strimzi_would_make() -> None:
    topics = [each["spec"] for each in render(HELM_4, MODES["kind"]) if each["kind"] == "KafkaTopic"]
    expected = {each["topicName"]: (each["partitions"], each["config"]) for each in topics}
    assert {each["name"]: (each["partitions"], each["config"]) for each in wanted("plain")["topics"]} == expected


@pytest.mark.parametrize("mode", MODES)
def test_append_time_judges_the_future_except_in_dead_letters(mode: str) -> None:
    if mode == "plain":
        configs = {each["name"]: each["config"] for each in wanted(mode)["topics"]}
    else:
        topics = [each["spec"] for each in render(HELM_4, MODES[mode]) if each["kind"] == "KafkaTopic"]
        configs = {each["topicName"]: each["config"] for each in topics}
    assert len(configs) == 6
    for name, config in configs.items():
        assert ("message.timestamp.type" in config) == (not name.endswith(".dlq")), name
