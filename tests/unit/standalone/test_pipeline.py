"""Programs of a run: one that is kept comes back, unless it can't run at all."""

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from stockpipe.common.errors import PipelineError
from stockpipe.standalone.broker import Broker
from stockpipe.standalone.pipeline import LEAST_SECONDS, Pipeline
from stockpipe.standalone.processes import ChildProcess
from stockpipe.standalone.run_folder import RunFolder
from support.clocks import ManualClock
from support.waiting import eventually

WAITING = [sys.executable, "-c", "import signal; print('up', flush=True); signal.pause()"]
FAILING = [sys.executable, "-c", "raise SystemExit('no such setting')"]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def pipeline(tmp_path: Path, clock: ManualClock) -> Iterator[Pipeline]:
    """A pipeline whose broker is a process that waits."""
    folder = RunFolder(tmp_path)
    folder.log("x").parent.mkdir()
    broker = Broker(WAITING, {}, folder.log("kafka"), 1)
    pipeline = Pipeline(folder, broker, clock)
    yield pipeline
    pipeline.close()
    broker.process.close()


def starts(process: ChildProcess) -> int:
    return process.log.read_text().splitlines().count("up")


def ended(process: ChildProcess) -> bool:
    return process.poll() is not None


def test_a_kept_program_that_is_killed_is_started_again(pipeline: Pipeline, clock: ManualClock) -> None:
    told: list[str] = []
    process = pipeline.keep("api", WAITING, told.append)
    eventually(lambda: starts(process) == 1, "it runs")
    pipeline.check_services()
    clock.advance(LEAST_SECONDS)
    process.send(signal.SIGKILL)
    eventually(lambda: ended(process), "it has ended")
    pipeline.check_services()
    pipeline.check_services()
    eventually(lambda: starts(process) == 2, "it runs again, once")
    assert told == [f"api ended with exit code -9 and is started again; see {process.log}"]


def test_a_kept_program_that_can_not_run_is_an_error(pipeline: Pipeline) -> None:
    process = pipeline.keep("api", FAILING, pytest.fail)
    eventually(lambda: ended(process), "it has ended")
    with pytest.raises(PipelineError, match=r"api ended with exit code 1; .* ends with:\nno such setting"):
        pipeline.check_services()


def test_the_end_of_another_program_is_an_error(pipeline: Pipeline, clock: ManualClock) -> None:
    process = pipeline.start("loader", WAITING)
    clock.advance(LEAST_SECONDS)
    process.send(signal.SIGKILL)
    eventually(lambda: ended(process), "it has ended")
    with pytest.raises(PipelineError, match="loader ended with exit code -9"):
        pipeline.check_services()
