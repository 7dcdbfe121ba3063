"""What each values file renders is committed; `make charts-golden` rewrites it, so that a change shows in the diff."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from stockpipe.standalone.go_programs import HELM_4, GoProgram
from support.charts import HELMS, KUBERNETES, RENDERINGS, Rendering, render, run_helm
from support.go_programs import require

GOLDEN = Path(__file__).parent / "golden"


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as such, and repeats instead of referring."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def as_text(program: GoProgram, rendering: Rendering) -> str:
    return yaml.dump_all(render(program, rendering), Dumper=_Dumper, sort_keys=False, width=150, explicit_start=True)


@pytest.mark.parametrize("program", HELMS, ids=lambda program: program.version)
@pytest.mark.parametrize("rendering", RENDERINGS, ids=str)
def test_a_values_file_renders_what_is_committed(
    program: GoProgram, rendering: Rendering, request: pytest.FixtureRequest
) -> None:
    file = GOLDEN / f"{rendering}.yaml"
    if request.config.getoption("--rewrite-golden"):
        if program == HELM_4:
            file.write_text(as_text(program, rendering))
        return
    assert as_text(program, rendering) == file.read_text(), f"{file.name} differs: see `make charts-golden`"


def test_no_golden_file_is_left_behind() -> None:
    assert {file.stem for file in GOLDEN.iterdir()} == {str(rendering) for rendering in RENDERINGS}


@pytest.mark.parametrize("program", HELMS, ids=lambda program: program.version)
@pytest.mark.parametrize("rendering", RENDERINGS, ids=str)
def test_lint_is_content(program: GoProgram, rendering: Rendering) -> None:
    require(program)
    _name, *arguments = rendering.arguments
    done = run_helm(program, "lint", "--strict", f"--kube-version={KUBERNETES}", *arguments)
    assert not done.returncode, done.stdout
