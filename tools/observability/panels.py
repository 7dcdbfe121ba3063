"""Panels and dashboards in the one form that all of ours have, written by Grafana's own SDK."""

from collections.abc import Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import common, dashboard, prometheus, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import LegendDisplayMode, LegendPlacement
from grafana_foundation_sdk.models.dashboard import DashboardLinkType, DataSourceRef, VariableRefresh

RUNBOOK = "docs/runbook.md"
"""The chart puts its value `metrics.runbookUrl` in place of it."""
TAG = "stock-pipeline"
SECONDS, PER_SECOND, COUNT, SHARE, BYTES, CORES = "s", "cps", "short", "percentunit", "bytes", "none"
_SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
_WIDTH, _HEIGHT = 8, 8


@dataclass(frozen=True)
class Query:
    """One expression; in it `$ns` stands for the chosen namespace. `legend` may name labels as `{{label}}`."""

    expr: str
    legend: str

    @property
    def promql(self) -> str:
        """Return the expression as Grafana sends it, but for its variable."""
        return self.expr.replace("$ns", 'namespace="$namespace"')


@dataclass(frozen=True)
class Panel:
    """A graph over time. `see` is the section of the runbook to look at.

    `always` says that a healthy pipeline with open exchanges has data for it; others are empty until something happens.
    """

    title: str
    description: str
    unit: str
    see: str
    queries: tuple[Query, ...]
    always: bool = True


@dataclass(frozen=True)
class Board:
    """A dashboard."""

    name: str
    title: str
    panels: tuple[Panel, ...]


def panel(title: str, description: str, unit: str, see: str, *queries: tuple[str, str], always: bool = True) -> Panel:
    """Return a panel with queries given as (expression, legend)."""
    return Panel(title, description, unit, see, tuple(Query(*each) for each in queries), always)


def sometimes(title: str, description: str, unit: str, see: str, *queries: tuple[str, str]) -> Panel:
    """Return a panel that is empty until something happens."""
    return panel(title, description, unit, see, *queries, always=False)


def to_json(board: Board) -> str:
    """Return the dashboard as Grafana imports it."""
    built = (
        dashboard.Dashboard(f"Stock pipeline: {board.title}")
        .uid(f"stock-pipeline-{board.name}")
        .tags([TAG])
        .readonly()
        .refresh("30s")
        .time("now-6h", "now")
        .link(
            dashboard.DashboardLink("Stock pipeline").type(DashboardLinkType.DASHBOARDS).tags([TAG]).as_dropdown(True)
        )
        .with_variable(dashboard.DatasourceVariable("datasource").type("prometheus"))
        .with_variable(
            dashboard.QueryVariable("namespace")
            .datasource(_SOURCE)
            .query("label_values(stockpipe_records_unaccounted, namespace)")
            .refresh(VariableRefresh.ON_DASHBOARD_LOAD)
        )
    )
    for number, each in enumerate(board.panels, 1):
        built.with_panel(_graph(number, each))
    return JSONEncoder(sort_keys=True, indent=2).encode(built.build()) + "\n"


def _graph(number: int, panel: Panel) -> timeseries.Panel:
    graph = (
        timeseries.Panel()
        .id(number)
        .title(panel.title)
        .description(panel.description)
        .datasource(_SOURCE)
        .unit(panel.unit)
        .axis_soft_min(0)
        .span(_WIDTH)
        .height(_HEIGHT)
        .fill_opacity(10)
        .legend(
            common.VizLegendOptions()
            .display_mode(LegendDisplayMode.LIST)
            .placement(LegendPlacement.BOTTOM)
            .show_legend(True)
        )
        .links([dashboard.DashboardLink("Runbook").type(DashboardLinkType.LINK).url(f"{RUNBOOK}#{panel.see.lower()}")])
    )
    for target in _targets(panel.queries):
        graph.with_target(target)
    return graph


def _targets(queries: Sequence[Query]) -> list[prometheus.Dataquery]:
    return [
        prometheus.Dataquery().expr(each.promql).legend_format(each.legend).ref_id(chr(ord("A") + number))
        for number, each in enumerate(queries)
    ]
