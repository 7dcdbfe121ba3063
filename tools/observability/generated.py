"""Every generated file."""

from pathlib import Path

from observability.catalog_page import catalog_page
from observability.dashboards import BOARDS
from observability.metrics_page import metrics_page
from observability.panels import to_json

ROOT = Path(__file__).resolve().parents[2]
DASHBOARDS = "charts/stock-pipeline/dashboards"


def generated() -> dict[str, str]:
    """Return the text of every generated file by its path from the repository's root."""
    return {
        "docs/catalog.md": catalog_page(),
        "docs/metrics.md": metrics_page(),
        **{f"{DASHBOARDS}/{board.name}.json": to_json(board) for board in BOARDS},
    }
