"""Series, and which alerts they must raise when, run by promtool through the rules that the chart ships."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from stockpipe.standalone.go_programs import PROMTOOL
from support.go_programs import require

RULES = Path(__file__).resolve().parents[2] / "charts/stock-pipeline/rules.yaml"
NAMESPACE = "stock-market"


@dataclass(frozen=True)
class Case:
    """`series` by name and labels, in promtool's notation, one value each `minutes`.

    `firing` are the alerts expected at that minute since the beginning; Watchdog, which always fires, isn't named.
    """

    name: str
    series: dict[str, str]
    firing: dict[int, Sequence[str]]
    minutes: int = 1

    def as_test(self) -> dict[str, Any]:
        """Return the case as promtool reads it."""
        expr = 'group by (alertname) (ALERTS{alertstate="firing",alertname!="Watchdog"})'
        return {
            "name": self.name,
            "interval": f"{self.minutes}m",
            "input_series": [{"series": _with_namespace(name), "values": text} for name, text in self.series.items()],
            "promql_expr_test": [
                {
                    "expr": expr,
                    "eval_time": f"{minute}m",
                    "exp_samples": [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in sorted(names)],
                }
                for minute, names in self.firing.items()
            ],
        }


def run_cases(cases: Sequence[Case], folder: Path) -> None:
    """Let promtool judge; fail with what it says."""
    promtool = require(PROMTOOL)
    (minutes,) = {case.minutes for case in cases}
    file = folder / "tests.yaml"
    content = {
        "rule_files": [str(RULES)],
        "evaluation_interval": f"{minutes}m",
        "tests": [case.as_test() for case in cases],
    }
    file.write_text(yaml.safe_dump(content, sort_keys=False))
    done = subprocess.run([promtool, "test", "rules", str(file)], capture_output=True, text=True, check=False)
    assert not done.returncode, done.stdout + done.stderr


def _with_namespace(series: str) -> str:
    name, _, labels = series.partition("{")
    return f'{name}{{namespace="{NAMESPACE}"' + (f",{labels}" if labels else "}")
