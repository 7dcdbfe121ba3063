"""`airflow dags test` as it is typed, on a real Kafka, a folder lake and DuckDB."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conftest import config_maps
from local_pods import LocalPods
from results import assert_balanced, report, rows

DAG_ID = "stock_market_batch_pipeline"
TESTS = Path(__file__).parent
DEADLINE_SECONDS = 240


class Command:
    """`airflow dags test` of one session, with processes in place of pods."""

    def __init__(self, local: LocalPods, folder: Path) -> None:
        described = folder / "local_pods.json"
        described.write_text(
            json.dumps(
                {
                    "folder": str(local.folder),
                    "environment": local.environment,
                    "config_maps": config_maps("operator"),
                }
            )
        )
        self._output = folder / "command.log"
        self._environment = {
            **os.environ,
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(TESTS / "plugins"),
            "PYTHONPATH": str(TESTS),
            "LOCAL_PODS": str(described),
            "STOCK_DAGS_LAKE": local.environment["LAKE_URL"],
            "STOCK_DAGS_TOPIC_BATCH": local.environment["KAFKA_TOPIC_BATCH"],
        }

    def start(self) -> "subprocess.Popen[bytes]":
        """Start it."""
        airflow = Path(sys.executable).with_name("airflow")
        conf = json.dumps({"symbols": "AAPL,MSFT", "from": "2012-06-01"})
        command = [str(airflow), "dags", "test", DAG_ID, "2012-09-18", "--conf", conf]
        with self._output.open("ab") as output:
            return subprocess.Popen(command, env=self._environment, stdout=output, stderr=subprocess.STDOUT)

    def run(self) -> None:
        """Run it to its end."""
        with self.start() as process:
            try:
                code = process.wait(DEADLINE_SECONDS)
            finally:
                process.kill()
        assert code == 0, self._output.read_text()[-5000:]

    def run_and_kill(self, folder: Path, pattern: str) -> None:
        """Start it and kill it once such a file is in the folder."""
        with self.start() as process:
            deadline = time.monotonic() + DEADLINE_SECONDS
            while not any(folder.rglob(pattern)) and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.02)
            process.kill()
        assert process.returncode == -signal.SIGKILL, self._output.read_text()[-5000:]


@pytest.fixture
def command(real_pods: LocalPods, tmp_path: Path) -> Command:
    return Command(real_pods, tmp_path)


def test_killed_in_the_middle_then_run_twice_it_has_the_same_result(
    real_pods: LocalPods, command: Command, tmp_path: Path
) -> None:
    command.run_and_kill(tmp_path / "lake/raw/historical", "*.csv")
    command.run()
    told = report(tmp_path, DAG_ID)
    assert (told["state"], told["rows"]["inserted"]) == ("success", 2 * 76)
    loaded = rows(real_pods, "stockmarketbatch.daily_stock_metrics")
    assert len(loaded) == 2 * 76
    assert_balanced(real_pods)

    command.run()
    assert rows(real_pods, "stockmarketbatch.daily_stock_metrics") == loaded
    assert report(tmp_path, DAG_ID)["rows"]["inserted"] == 2 * 76
    assert_balanced(real_pods)
