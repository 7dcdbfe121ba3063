"""Ctrl-C at any moment leaves no process behind."""

import os
import re
import signal
import subprocess

import pytest

from stockpipe.standalone import paths
from support.leftovers import processes_of_run
from support.programs import program_path
from support.waiting import eventually


def starting(command: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [program_path("stockpipe-standalone"), command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def read_until(process: subprocess.Popen[str], words: str) -> tuple[str, str]:
    """Return what was printed up to `words`, and the run's name."""
    assert process.stdout is not None
    seen = ""
    for line in process.stdout:
        seen += line
        if words in line:
            break
    run = re.search(r"\.stockpipe/(\S+-\w+)", seen)
    assert words in seen, seen
    return seen, run[1] if run else max(path.name for path in paths.RUNS.iterdir())


@pytest.mark.parametrize(
    ("command", "words", "sent", "code"),
    [
        ("demo", "starting Kafka", signal.SIGINT, 130),
        ("demo", "daily metrics (Spark)", signal.SIGINT, 130),
        ("demo", "source → Kafka: daily bars", signal.SIGTERM, 130),
        ("up", "the dashboard is at", signal.SIGINT, 0),
    ],
)
def test_an_interrupted_run_stops_everything(command: str, words: str, sent: signal.Signals, code: int) -> None:
    with starting(command) as process:
        _seen, run = read_until(process, words)
        # As a terminal does: the signal goes to the whole foreground group, and impatient users repeat it.
        for _ in range(3):
            os.killpg(process.pid, sent)
        process.communicate(timeout=60)
    assert process.returncode == code
    eventually(lambda: processes_of_run(run) == [], f"no process of {run} is left", seconds=10)
    assert not (paths.RUNS / run / "kafka/data").exists()


def test_even_a_killed_run_takes_its_processes_along() -> None:
    with starting("demo") as process:
        _seen, run = read_until(process, "bars: Kafka → raw lake")
        assert processes_of_run(run)
        process.kill()
        process.communicate(timeout=60)
    eventually(lambda: processes_of_run(run) == [], f"no process of {run} is left", seconds=20)
