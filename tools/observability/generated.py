"""Every generated file."""

from pathlib import Path

from observability.metrics_page import metrics_page

ROOT = Path(__file__).resolve().parents[2]


def generated() -> dict[str, str]:
    """Return the text of every generated file by its path from the repository's root."""
    return {"docs/metrics.md": metrics_page()}
