"""Registry, rules, dashboards and runbook speak of the same things."""

import functools
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from observability.dashboards import BOARDS
from observability.generated import DASHBOARDS, ROOT
from observability.panels import RUNBOOK, Board
from observability.registry import all_metrics
from support.programs import program_path
from support.rule_cases import RULES

PLATFORM = {
    "up": "Prometheus",
    "ALERTS": "Prometheus",
    "container_cpu_cfs_periods_total": "kubelet",
    "container_cpu_cfs_throttled_periods_total": "kubelet",
    "container_cpu_usage_seconds_total": "kubelet",
    "container_memory_working_set_bytes": "kubelet",
    "kubelet_volume_stats_capacity_bytes": "kubelet",
    "kubelet_volume_stats_used_bytes": "kubelet",
    "kube_job_status_failed": "kube-state-metrics",
    "kube_pod_container_resource_limits": "kube-state-metrics",
    "kube_pod_container_status_restarts_total": "kube-state-metrics",
    "kube_pod_status_ready": "kube-state-metrics",
    "minio_cluster_capacity_usable_free_bytes": "MinIO",
    "minio_cluster_capacity_usable_total_bytes": "MinIO",
}
"""Metrics that others export."""
PARTS = ("Meaning", "First look", "Commands", "Remedy", "Verify")
_METRIC = re.compile(r"\b([a-z][a-z_]*(?::[a-z0-9_:]+)?)(?=[{\[ )]|$)")
_NO_METRICS = re.compile(r"\b(?:by|on|ignoring|without|group_left)\s*\([^)]*\)|\{[^}]*\}|\"[^\"]*\"|\[[^]]*\]")
_WORDS = {"and", "or", "unless", "by", "on", "without", "ignoring", "sum", "max", "min", "count", "vector", "time"}

RULE_GROUPS: list[dict[str, Any]] = yaml.safe_load(RULES.read_text())["groups"]
ALL_RULES = [rule for group in RULE_GROUPS for rule in group["rules"]]
ALERTS = {rule["alert"]: rule for rule in ALL_RULES if "alert" in rule}
KNOWN = {
    *(name for metric in all_metrics() for name in metric.series),
    *(rule["record"] for rule in ALL_RULES if "record" in rule),
    *PLATFORM,
}
SECTIONS = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", (ROOT / RUNBOOK).read_text(), re.MULTILINE | re.DOTALL))
QUERIES = [(board, panel, query) for board in BOARDS for panel in board.panels for query in panel.queries]


def metrics_in(expr: str) -> set[str]:
    bare = _NO_METRICS.sub(" ", expr)
    return {name for name in _METRIC.findall(bare) if name not in _WORDS and not re.search(rf"\b{name}\(", bare)}


def test_metrics_are_found_in_expressions() -> None:
    expr = 'histogram_quantile(0.9, sum by (a_b, le) (rate(x_bucket{l="m_n"}[5m]))) / on (c) y:z:p95_15m or time() - up'
    assert metrics_in(expr) == {"x_bucket", "y:z:p95_15m", "up"}


@pytest.mark.parametrize("rule", ALL_RULES, ids=lambda rule: rule.get("alert") or rule["record"])
def test_a_rule_uses_metrics_that_exist(rule: dict[str, Any]) -> None:
    found = metrics_in(rule["expr"])
    assert found
    assert found <= KNOWN


@pytest.mark.parametrize(("board", "panel", "query"), QUERIES, ids=lambda part: getattr(part, "title", ""))
def test_a_panel_uses_metrics_that_exist_and_asks_for_one_namespace(board: Any, panel: Any, query: Any) -> None:
    found = metrics_in(query.promql)
    assert found
    assert found <= KNOWN
    assert query.promql.count('namespace="$namespace"') == sum(
        len(re.findall(rf"\b{name}\{{", query.promql)) for name in found
    )


def test_every_metric_is_on_a_dashboard_or_in_a_rule() -> None:
    used = set().union(
        *(metrics_in(text) for text in (*(q.promql for *_, q in QUERIES), *(r["expr"] for r in ALL_RULES)))
    )
    unused = {metric.name for metric in all_metrics() if used.isdisjoint(metric.series)}
    assert unused == {"stockpipe_auditor_audits_total"}, "its last_success is shown"


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_every_panel_says_what_it_shows_in_which_unit_and_where_to_look(board: Board) -> None:
    built = json.loads((ROOT / DASHBOARDS / f"{board.name}.json").read_text())
    assert len(built["panels"]) == len(board.panels)
    for panel in built["panels"]:
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["description"].endswith(".")
        (link,) = panel["links"]
        page, _, anchor = link["url"].partition("#")
        assert page == RUNBOOK
        assert anchor in {name.lower() for name in SECTIONS}
    titles = [panel.title for panel in board.panels]
    assert len(set(titles)) == len(titles)


def unit_of(expr: str) -> str:
    """Return the unit of what an expression gives, from its functions and its metric's suffix."""
    if "histogram_quantile" in expr or re.search(r"^time\(\)|_seconds(:p\d+_15m)?\{[^}]*\}\)?$", expr):
        return "s"
    if " / " in expr or ":ratio" in expr:
        return "percentunit"
    if "container_cpu_usage_seconds" in expr:
        return "none"
    if "rate(" in expr or ":deriv" in expr:
        return "cps"
    return "bytes" if "_bytes" in expr else "short"


@pytest.mark.parametrize(("board", "panel", "query"), QUERIES, ids=lambda part: getattr(part, "title", ""))
def test_a_panel_s_unit_is_its_metric_s(board: Any, panel: Any, query: Any) -> None:
    assert panel.unit == unit_of(query.promql)


def test_no_dashboard_is_left_behind() -> None:
    assert {file.stem for file in (ROOT / DASHBOARDS).iterdir()} == {board.name for board in BOARDS}


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_has_severity_texts_and_a_section_of_the_runbook(name: str) -> None:
    rule = ALERTS[name]
    assert rule["labels"]["severity"] in {"critical", "warning", "none"}
    assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}
    assert rule["annotations"]["runbook_url"] == f"{RUNBOOK}#{name.lower()}"
    section = SECTIONS[name]
    assert [part for part in PARTS if f"**{part}.**" not in section] == []
    assert re.search(r"^    \S", section, re.MULTILINE), "commands to copy"


def test_the_runbook_has_no_section_without_an_alert() -> None:
    assert SECTIONS.keys() == ALERTS.keys()


def test_the_runbook_s_links_to_its_sections_lead_somewhere() -> None:
    text = (ROOT / RUNBOOK).read_text()
    assert set(re.findall(r"\]\(#(\w+)\)", text)) <= {name.lower() for name in SECTIONS}
    for page in re.findall(r"\]\((\w+\.md)", text):
        assert (Path(ROOT) / "docs" / page).is_file(), page


def test_the_panels_and_dashboards_that_the_runbook_names_exist() -> None:
    text = re.sub(r"`[^`]*`|^    .*$", "", (ROOT / RUNBOOK).read_text(), flags=re.MULTILINE)
    named = {" ".join(title.split()) for title in re.findall(r'"([A-Z][^"]*)"', text)}
    titles = [panel.title for board in BOARDS for panel in board.panels]
    assert len(named) > 20
    assert {
        name for name in named if not any(re.match(rf"{re.escape(name)}(\W|$)", title) for title in titles)
    } == set()
    boards = set(re.findall(r"ashboards? \*([^*]+)\*", text))
    assert boards <= {name for board in BOARDS for name in (board.name, board.title)}


COMMANDS = sorted(
    set(
        re.findall(
            r"(stockpipe-[a-z]+)((?: [a-z]+(?:-[a-z]+)*)?)((?: --?[a-z].*?)?)[`\n;,]", (ROOT / RUNBOOK).read_text()
        )
    )
)


@functools.cache
def help_of(program: str, command: str) -> str:
    done = subprocess.run(
        [program_path(program), *command.split(), "--help"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(("program", "command", "flags"), COMMANDS)
def test_a_command_of_the_runbook_exists_with_its_flags(program: str, command: str, flags: str) -> None:
    known = {"--help", *re.findall(r"--[a-z-]+", help_of(program, command))}
    assert set(re.findall(r"--[a-z-]+", flags)) <= known
