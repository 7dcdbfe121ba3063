"""Alerts and dashboards ask for metrics that some program exports, by labels that these have."""

import json
import re
from collections.abc import Iterator

import pytest
import yaml
from prometheus_client import CollectorRegistry

from stockpipe.common import metrics
from support.charts import CHARTS

CHART = CHARTS / "stock-pipeline"
CLASSES = [value for name, value in vars(metrics).items() if name.endswith("Metrics")]


def exported() -> set[str]:
    """Return the name of every series of every service."""
    names: set[str] = set()
    for each in CLASSES:
        registry = CollectorRegistry()
        each(registry)
        for metric in registry.collect():
            suffixes = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}[metric.type]
            names |= {metric.name + suffix for suffix in suffixes}
    return names


def expressions() -> Iterator[tuple[str, str]]:
    for group in yaml.safe_load((CHART / "rules.yaml").read_text())["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]
    for file in CHART.glob("dashboards/*.json"):
        for panel in json.loads(file.read_text())["panels"]:
            for target in panel["targets"]:
                yield f"{file.stem}: {panel['title']}", target["expr"]


@pytest.mark.parametrize("expression", [pytest.param(text, id=where) for where, text in expressions()])
def test_what_is_asked_for_is_exported(expression: str) -> None:
    asked = set(re.findall(r"stockpipe_\w+", expression))
    assert asked
    assert asked <= exported()


def test_every_alert_says_how_bad_it_is_and_what_to_do() -> None:
    for group in yaml.safe_load((CHART / "rules.yaml").read_text())["groups"]:
        for rule in group["rules"]:
            assert rule["labels"]["severity"] in ("critical", "warning")
            assert set(rule["annotations"]) >= {"summary", "description"}
