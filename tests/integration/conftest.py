"""One finished demo run, its Kafka still running, and a second run made beside it at the same time."""

import io
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from rich.console import Console

from stockpipe.common.clock import SystemClock
from stockpipe.standalone.broker import Broker
from stockpipe.standalone.demo import DemoRun
from stockpipe.standalone.pipeline import running_pipeline
from stockpipe.standalone.run_folder import RunFolder
from stockpipe.standalone.screen import Screen
from stockpipe.standalone.settings import DemoSettings
from support.programs import program_path


@dataclass
class Finished:
    """What the run left and said."""

    folder: RunFolder
    broker: Broker
    code: int
    output: str
    beside: subprocess.CompletedProcess[str]


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finished]:
    folder = RunFolder(tmp_path_factory.mktemp("demo"))
    folder.log("x").parent.mkdir()
    folder.scratch.mkdir()
    output = io.StringIO()
    clock = SystemClock()
    screen = Screen(Console(file=output, width=120), clock)
    second = subprocess.Popen(
        [program_path("stockpipe-standalone"), "demo"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with second, running_pipeline(folder, clock) as pipeline:
        code = DemoRun(DemoSettings(), folder, pipeline, screen).run()
        printed, errors = second.communicate(timeout=240)
        beside = subprocess.CompletedProcess(second.args, second.returncode, printed, errors)
        yield Finished(folder, pipeline.broker, code, output.getvalue(), beside)
