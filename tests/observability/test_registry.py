"""The typed registry: its names, its units, and how many series it makes."""

import re
import subprocess

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from observability.generated import ROOT, generated
from observability.registry import Metric, all_metrics
from stockpipe.common import metrics
from stockpipe.common.lake import layout
from stockpipe.standalone.go_programs import PROMTOOL
from support.go_programs import require

LABELS = {
    *("topic", "source", "other", "reason", "status", "field", "job", "dataset", "table"),
    *("outcome", "check", "hop", "prefix", "route", "method", "database"),
}
"""All of them from a fixed list of names; none is a symbol, a batch, an offset or a partition."""
UNITS = ("_seconds", "_total", "_records", "_offsets", "_objects", "_limit", "_remaining")
STATES = {
    "stockpipe_producer_source_cooling",
    "stockpipe_consumer_breaker_open",
    "stockpipe_records_unaccounted",
    "stockpipe_auditor_offsets_waiting",
    "stockpipe_auditor_records_waiting",
    "stockpipe_auditor_batches_waiting",
    "stockpipe_api_stream_clients",
}
"""Gauges that count what their name says, or are 0 or 1."""


@pytest.mark.parametrize("path", generated())
def test_what_is_generated_is_committed(path: str) -> None:
    assert (ROOT / path).read_text() == generated()[path], f"{path} is out of date: run `make generated`"


@pytest.mark.parametrize("metric", all_metrics(), ids=lambda metric: metric.name)
def test_a_metric_follows_the_conventions(metric: Metric) -> None:
    assert re.fullmatch(r"stockpipe_[a-z_]+", metric.name)
    assert set(metric.labels) <= LABELS
    assert metric.name.endswith(UNITS) or metric.name in STATES
    assert metric.name.endswith("_total") == (metric.type == "counter")
    assert metric.help[0].isupper() or metric.help[0].isdigit()
    assert not metric.help.endswith(".")


def test_promtool_has_nothing_to_say() -> None:
    promtool = require(PROMTOOL)
    registry = CollectorRegistry()
    for kind in vars(metrics).values():
        if isinstance(kind, type) and kind.__module__ == metrics.__name__:
            kind(registry)
    text = generate_latest(registry)
    checked = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, check=False)
    assert (checked.returncode, checked.stderr.decode()) == (0, "")


def test_the_catalog_has_a_meaning_for_everything() -> None:
    rows = [line for line in generated()["docs/catalog.md"].splitlines() if line.startswith("| `")]
    assert len(rows) > 100
    assert [row for row in rows if not row.split("|")[-2].strip()] == []


def test_the_catalog_has_every_prefix_that_the_layout_names() -> None:
    catalog = generated()["docs/catalog.md"]
    named = [value for name, value in vars(layout).items() if name.isupper() and isinstance(value, str)]
    assert len(named) > 8
    listed = re.findall(r"^\| `([a-z_/]+/)`", catalog, re.MULTILINE)
    assert [each for each in named if not f"{each.rstrip('/')}/".startswith(tuple(listed))] == []
