"""A real pipeline's lake, maintained as if weeks had passed, and watched."""

import json
import signal
import socket
import subprocess
import urllib.request
from datetime import timedelta
from pathlib import Path

import pytest

from integration.conftest import Finished
from integration.test_books import Copy
from stockpipe.auditor.maintenance.report import Report
from stockpipe.auditor.maintenance.run import Facts, Maintenance, read_loaded
from stockpipe.auditor.offsets import committed_by_partition
from stockpipe.auditor.settings import MaintainSettings
from stockpipe.common.clock import SystemClock
from stockpipe.common.contracts.tables import DAILY_STOCK_METRICS
from stockpipe.common.ids import random_suffix
from stockpipe.common.lake.folder import FolderStore
from stockpipe.common.lake.manifests import processed_manifests
from stockpipe.common.warehouse.reader import open_reader
from stockpipe.standalone.parity import compare_windows
from support.clocks import ManualClock
from support.landing import quiet_log
from support.loading import Site
from support.programs import program_path
from support.waiting import eventually


@pytest.fixture
def copy(finished: Finished, tmp_path: Path) -> Copy:
    return Copy(finished, tmp_path)


def maintain(finished: Finished, copy: Copy, days: int) -> Report:
    settings = MaintainSettings(
        kafka_bootstrap_server=finished.broker.bootstrap,
        lake_url=copy.folder.lake_url,
        warehouse_url=copy.folder.warehouse_url,
        apply=True,
    )
    with open_reader(settings) as reader:
        facts = Facts(read_loaded(reader), committed_by_partition(settings, "realtime"))
    clock = ManualClock(SystemClock().now() + timedelta(days=days))
    store = FolderStore(copy.folder.path / "lake")
    return Maintenance(settings, store, facts, clock, random_suffix, quiet_log()).run()


def test_the_books_of_a_real_lake_balance_after_weeks_of_maintenance(finished: Finished, copy: Copy) -> None:
    lake = copy.folder.path / "lake"
    before = compare_windows(FolderStore(lake))

    def processed() -> int:
        return len([path for path in (lake / "processed").rglob("*.parquet") if not path.name.startswith(".")])

    files = processed()
    # The run's clock is ahead of the store's: what it replaces is old at once.
    report = maintain(finished, copy, 4)
    assert {each.dataset for each in report.compacted} == {"daily", "realtime", "realtime_live"}
    assert {each.reason for each in report.removed} == {"compacted"}
    assert processed() < files / 2
    assert compare_windows(FolderStore(lake)) == before
    assert copy.books()[1]["findings"] == []

    again = Site(copy.folder.path, "again.duckdb", ManualClock(SystemClock().now()))
    again.migrate()
    again.load(*processed_manifests(again.store, "daily"))
    assert again.rows(DAILY_STOCK_METRICS) == Site(copy.folder.path).rows(DAILY_STOCK_METRICS)

    retired = maintain(finished, copy, 40).retired
    assert [each.blocked for each in retired] == [""] * len(retired)
    maintain(finished, copy, 43)
    assert [path for path in (lake / "raw/realtime").rglob("*") if path.is_file()] == []
    code, books = copy.books()
    assert (code, books["findings"]) == (0, [])
    assert sum(each["retired"] for each in books["partitions"]) == 3_905
    assert sum(each["raw_rows"] for each in books["partitions"]) == 12_154


def test_a_fresh_lake_is_left_alone(finished: Finished, copy: Copy) -> None:
    command = [program_path("stockpipe-auditor"), "maintain", "--json", "--apply"]
    command += ["--kafka-bootstrap-server", finished.broker.bootstrap, "--lake-url", copy.folder.lake_url]
    command += ["--warehouse-url", copy.folder.warehouse_url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["retired"], report["compacted"], report["removed"]) == ([], [], [])
    text = subprocess.run([*command[:2], *command[4:]], capture_output=True, text=True, timeout=60, check=True).stdout
    assert text.startswith("What would be done; --apply does it")


def test_a_watch_exports_a_loss_and_leaves_on_sigterm(finished: Finished, copy: Copy) -> None:
    lost = copy.find("raw/realtime/**/*_p03_*.csv")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    command = [program_path("stockpipe-auditor"), "watch", "--audit-seconds", "0.2", "--metrics-port", str(port)]
    command += ["--kafka-bootstrap-server", finished.broker.bootstrap, "--lake-url", copy.folder.lake_url]
    command += ["--warehouse-url", copy.folder.warehouse_url]

    def value(name: str) -> float:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
                lines = answer.read().decode().splitlines()
        except OSError:
            return -1
        return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(name)), -1)

    unaccounted = 'stockpipe_records_unaccounted{hop="kafka-raw"}'
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as watch:
        try:
            eventually(lambda: value("stockpipe_auditor_audits_total") >= 2, "two audits", 60)
            assert value(unaccounted) == 0
            lost.unlink()
            eventually(lambda: value(unaccounted) > 0, "the lost object is noticed", 60)
        finally:
            watch.send_signal(signal.SIGTERM)
            _output, errors = watch.communicate(timeout=30)
    assert watch.returncode == 0, errors
    assert lost.name in errors
