"""What past runs measured, as one HTML page of small charts: a line a benchmark, a point a run."""

import html
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

_WIDTH, _HEIGHT, _EDGE = 640, 120, 48
_STYLE = (
    "body{font:14px sans-serif;margin:2em;max-width:60em}td{padding:0 1em 0 0}p{margin:0 0 .5em}svg{background:#f6f6f6}"
)


def load(folder: Path) -> list[dict[str, Any]]:
    """Return the runs in the folder, oldest first."""
    return [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]


def page(runs: list[dict[str, Any]]) -> str:
    """Return the page."""
    history: dict[str, list[dict[str, Any]]] = {}
    for run in runs:
        for result in run["results"]:
            history.setdefault(result["name"], []).append(result | {"at": run["at"], "quick": run["quick"]})
    parts = [
        f"<!doctype html><meta charset=utf-8><title>Benchmarks</title><style>{_STYLE}</style><h1>Benchmarks</h1>",
        "<p>A point a run, oldest first (grey: quick), with its least and most; the target is red.</p>",
    ]
    for name, points in history.items():
        last = points[-1]
        target = _words(last["target"])
        parts.append(f"<h2>{html.escape(name)}</h2><p>{html.escape(last['says'])}</p>")
        parts.append(
            f"<p>{last['at']}: <b>{last['ratio']:.3g}</b> ({last['least']:.3g} to {last['most']:.3g}){target}</p>"
        )
        parts.append(_chart(points))
    return "\n".join(parts)


def _words(target: dict[str, Any] | None) -> str:
    if target is None:
        return ""
    return (
        f"; target {'at most' if target['at_most'] else 'at least'} {target['value']:g}, stretch {target['stretch']:g}"
    )


def _chart(points: list[dict[str, Any]]) -> str:
    target = points[-1]["target"]
    highest: float = max([point["most"] for point in points] + ([target["value"]] if target else [])) * 1.1

    def x(number: int) -> float:
        return _EDGE + number * (_WIDTH - 2 * _EDGE) / max(1, len(points) - 1)

    def y(value: float) -> float:
        return _HEIGHT - value / highest * _HEIGHT

    marks = [_label(highest / 1.1, y, "#666"), _label(0, y, "#666")]
    if target:
        marks.append(f"<path d='M0 {y(target['value']):.1f}H{_WIDTH}' stroke='#c33' stroke-dasharray='4'/>")
        marks.append(_label(target["value"], y, "#c33"))
    for number, point in enumerate(points):
        place = f"cx='{x(number):.1f}' cy='{y(point['ratio']):.1f}'"
        title = html.escape(f"{point['at']}{' quick' if point['quick'] else ''}: {point['ratio']:.3g}")
        color = "#999" if point["quick"] else "#26c"
        marks.append(f"<path d='M{x(number):.1f} {y(point['least']):.1f}V{y(point['most']):.1f}' stroke='{color}'/>")
        marks.append(f"<circle {place} r='4' fill='{color}'><title>{title}</title></circle>")
    return f"<svg width='{_WIDTH}' height='{_HEIGHT}'>{''.join(marks)}</svg>"


def _label(value: float, y: Callable[[float], float], color: str) -> str:
    return f"<text x='4' y='{y(value) - 3:.1f}' font-size='11' fill='{color}'>{value:.3g}</text>"
