"""Who is told of an alert: the routes that the chart renders, taken by a real Alertmanager."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from stockpipe.standalone.go_programs import ALERTMANAGER, HELM_4
from support.alertmanager import Alertmanager, Told, alertmanager_config, listening, running_alertmanager
from support.charts import PIPELINE, render
from support.go_programs import require
from support.rule_cases import NAMESPACE
from support.waiting import eventually

PRODUCTION = PIPELINE[2]
TOLD = {
    "Watchdog": {"/deadman"},
    "StreamStalled": {"/pagerduty", "/slack"},
    "KafkaDiskFull": {"/pagerduty", "/slack"},
    "QuotesStale": {"/slack"},
    "Stranger": set(),
}
BEGIN = datetime.now(UTC) - timedelta(minutes=5)


def alert(name: str, severity: str, *, namespace: str = NAMESPACE, **more: str) -> dict[str, Any]:
    labels = {"alertname": name, "severity": severity, "namespace": namespace, **more}
    texts = {
        "summary": " ".join([name, *more.values(), "happened"]),
        "description": "More words.",
        "runbook_url": f"docs/runbook.md#{name.lower()}",
    }
    return {"labels": labels, "annotations": texts}


ALERTS = [
    alert("Watchdog", "none"),
    alert("StreamStalled", "critical"),
    alert("QuotesStale", "warning"),
    alert("KafkaDiskFull", "critical", persistentvolumeclaim="one"),
    alert("KafkaDiskFull", "critical", persistentvolumeclaim="two"),
    alert("Stranger", "critical", namespace="another-namespace"),
]


@pytest.fixture(scope="module")
def told() -> Iterator[Told]:
    with listening() as server:
        yield server


@pytest.fixture(scope="module")
def alertmanager(told: Told, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alertmanager]:
    """An Alertmanager with the chart's routes that has passed the alerts on; what it waits for is seconds here."""
    require(ALERTMANAGER)
    (custom,) = [each for each in render(HELM_4, PRODUCTION) if each["kind"] == "AlertmanagerConfig"]
    custom = custom | {"metadata": custom["metadata"] | {"namespace": NAMESPACE}}
    secrets = {
        ("stockpipe-pagerduty", "routingKey"): "the key",
        ("stockpipe-slack", "url"): told.url("/slack"),
        ("stockpipe-deadman", "url"): told.url("/deadman"),
    }
    config = alertmanager_config(custom, secrets, pagerduty_url=told.url("/pagerduty"))
    route = config["route"]["routes"][0]
    assert (route.pop("group_wait"), route.pop("group_interval")) == ("30s", "5m")
    route |= {"group_wait": "0s", "group_interval": "1s"}
    with running_alertmanager(tmp_path_factory.mktemp("alertmanager"), config) as server:
        server.tell(ALERTS, BEGIN, datetime.now(UTC) + timedelta(hours=1))
        eventually(lambda: len(told.messages) >= sum(map(len, TOLD.values())), "everybody is told")
        yield server


def heard(told: Told) -> dict[str, set[str]]:
    """Return who was told of each alert."""
    return {name: {path for path, message in told.messages if name in str(message)} for name in TOLD}


@pytest.mark.usefixtures("alertmanager")
def test_each_severity_reaches_whom_the_values_name(told: Told) -> None:
    assert heard(told) == TOLD


@pytest.mark.usefixtures("alertmanager")
def test_a_page_says_what_is_wrong_and_where_to_look_for_every_alert_of_its_group(told: Told) -> None:
    pages = {each["payload"]["class"]: each for each in told.by_path()["/pagerduty"]}
    page = pages["StreamStalled"]
    assert (page["routing_key"], page["event_action"]) == ("the key", "trigger")
    assert page["payload"]["summary"] == "StreamStalled happened"
    assert page["payload"]["custom_details"]["runbook"] == "docs/runbook.md#streamstalled"
    assert pages["KafkaDiskFull"]["payload"]["summary"] == "KafkaDiskFull one happened; KafkaDiskFull two happened"


@pytest.mark.usefixtures("alertmanager")
def test_a_message_to_slack_has_title_link_and_text(told: Told) -> None:
    messages = [attachment for each in told.by_path()["/slack"] for attachment in each["attachments"]]
    (found,) = [each for each in messages if each["title"].startswith("QuotesStale")]
    assert found["title"] == "QuotesStale: QuotesStale happened"
    assert found["title_link"] == "docs/runbook.md#quotesstale"
    assert found["text"] == "More words."


def test_what_is_over_is_told_to_pagerduty_and_slack(alertmanager: Alertmanager, told: Told) -> None:
    alertmanager.tell(ALERTS, BEGIN, datetime.now(UTC) - timedelta(seconds=1))

    def is_over() -> bool:
        found = told.by_path()
        actions = Counter(each["event_action"] for each in found["/pagerduty"])
        colors = Counter(each["attachments"][0]["color"] for each in found["/slack"])
        return actions["resolve"] == 2 and colors["good"] == 3

    eventually(is_over, "both know that it is over")
    assert all(each["status"] == "firing" for each in told.by_path()["/deadman"])
