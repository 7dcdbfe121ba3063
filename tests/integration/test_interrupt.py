"""Ctrl-C at any moment leaves no process behind."""

import os
import signal

import pytest

from stockpipe.standalone import paths
from support.leftovers import processes_of_run
from support.standing import read_until, starting
from support.waiting import eventually


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
