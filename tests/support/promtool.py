"""Prometheus, its tool and Alertmanager, where there are any."""

import pytest

from stockpipe.standalone.go_programs import ALERTMANAGER, PROMETHEUS, PROMTOOL, GoProgram


def require_promtool() -> str:
    """Return promtool's path; skip the test where there is none."""
    return _require(PROMTOOL)


def require_prometheus() -> str:
    """Return Prometheus's path; skip the test where there is none."""
    return _require(PROMETHEUS)


def require_alertmanager() -> str:
    """Return Alertmanager's path; skip the test where there is none."""
    return _require(ALERTMANAGER)


def _require(program: GoProgram) -> str:
    found = program.find()
    if found is None:
        pytest.skip(f"{program.name} {program.version} is neither on the PATH nor built; `make servers` builds it")
    return str(found)
