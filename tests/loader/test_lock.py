"""One loader at a time has the DuckDB file; the others wait, with an end."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from stockpipe.common.contracts.tables import DAILY_STOCK_METRICS
from stockpipe.common.warehouse.duckdb_file import DuckDBFile
from stockpipe.loader import duckdb_warehouse
from stockpipe.loader.duckdb_snapshot import publish
from stockpipe.loader.duckdb_warehouse import DuckDBWarehouse
from stockpipe.loader.warehouse import WarehouseUnavailable
from support.loading import Site
from support.processed import daily_row, write_batch
from support.programs import program_path

HOLD = """
import sys, duckdb
connection = duckdb.connect(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def held_by_another_process(site: Site) -> Iterator[int]:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(site.database)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        try:
            assert process.stdout.readline() == "held\n"
            yield process.pid
        finally:
            process.stdin.close()
            process.wait(timeout=30)


def test_a_held_file_names_its_holder_after_lock_seconds(site: Site) -> None:
    with (
        held_by_another_process(site) as pid,
        pytest.raises(WarehouseUnavailable, match=rf"warehouse\.duckdb is held by .*python.*, process {pid}; .* 30 s"),
        site.warehouse(lock_seconds=30).open(),
    ):
        pass
    assert sum(site.clock.waits) == pytest.approx(30)
    assert site.clock.waits[:6] == [0.05, 0.1, 0.2, 0.4, 0.8, 1.0]


def test_the_loader_goes_on_as_soon_as_the_file_is_free(site: Site) -> None:
    with held_by_another_process(site), pytest.raises(WarehouseUnavailable):
        site.migrate()
    assert site.migrate()[0].endswith("up to date")


def test_a_stop_ends_the_waiting(site: Site) -> None:
    stop = threading.Event()
    stop.set()
    warehouse = DuckDBWarehouse(site.url, 30, site.clock, stop)
    with held_by_another_process(site), pytest.raises(WarehouseUnavailable), warehouse.open():
        pass
    assert len(site.clock.waits) == 1


def test_publishing_does_not_give_up_the_lock_early(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that closes any descriptor of a file loses its POSIX locks on it; the copy must not do that."""
    attempt = "import sys, duckdb; duckdb.connect(sys.argv[1])"
    held: list[bool] = []

    def publish_then_try(file: DuckDBFile, after_closing: ExitStack) -> None:
        publish(file, after_closing)
        done = subprocess.run(
            [sys.executable, "-c", attempt, str(file.path)], capture_output=True, text=True, check=False, timeout=60
        )
        held.append("Could not set lock" in done.stderr)

    monkeypatch.setattr(duckdb_warehouse, "publish", publish_then_try)
    site.load(write_batch(site.store, "daily", "20240514T150000Z-x", [daily_row()]))
    assert held == [True]


def test_two_loaders_at_once_both_finish_and_each_batch_is_loaded_once(site: Site) -> None:
    batches = [f"20240514T15000{number}Z-x" for number in range(2)]
    for number, batch_id in enumerate(batches):
        write_batch(site.store, "daily", batch_id, [daily_row(symbol=f"S{number}")])
    processes = [
        subprocess.Popen(
            [program_path("stockpipe-loader"), "load", "--dataset", "daily", "--batch-id", batch_id],
            env=os.environ | site.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for batch_id in [*batches, *batches]
    ]
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    assert [row["batch_id"] for row in site.ledger()] == batches
    assert [row["symbol"] for row in site.rows(DAILY_STOCK_METRICS)] == ["S0", "S1"]
