"""`watch` loads what appears, oldest first, and one bad batch never keeps the others waiting."""

import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from prometheus_client import CollectorRegistry

from stockpipe.common import ids
from stockpipe.common.contracts.manifests import ProcessedFile, ProcessedManifest
from stockpipe.common.contracts.tables import DAILY_STOCK_METRICS, REALTIME_STOCK_ANALYTICS
from stockpipe.common.lake.manifests import commit_processed
from stockpipe.common.lake.store import ObjectStore
from stockpipe.common.metrics import LoaderMetrics
from stockpipe.common.warehouse.duckdb_file import DuckDBFile
from stockpipe.common.warehouse.quality import data_quality_results
from stockpipe.loader import duckdb_warehouse
from stockpipe.loader.duckdb_snapshot import publish
from stockpipe.loader.duckdb_warehouse import DuckDBWarehouse
from stockpipe.loader.load import LoadResult, load_batch
from stockpipe.loader.migrate import SchemaOutdated
from stockpipe.loader.settings import WatchSettings
from stockpipe.loader.warehouse import Session, WarehouseUnavailable
from stockpipe.loader.watch import Watcher
from support.clocks import ManualClock
from support.loading import Site
from support.processed import daily_row, manifest_of, window_row, write_batch
from support.programs import program_path
from support.waiting import eventually


class CountedWarehouse(DuckDBWarehouse):
    """Counts how often it is opened; may be told to fail."""

    opened = 0
    failing = False

    @contextmanager
    def open(self, *, create: bool = False) -> Iterator[Session]:
        self.opened += 1
        if self.failing:
            raise WarehouseUnavailable("warehouse is away")
        with super().open(create=create) as session:
            yield session


class Watch:
    """A watcher whose polls a test asks for one by one."""

    def __init__(self, site: Site, **changes: Any) -> None:
        self.site = site
        self.stop = threading.Event()
        self.registry = CollectorRegistry()
        self.events: list[dict[str, Any]] = []
        self.warehouse = CountedWarehouse(site.url, 0, site.clock, self.stop)
        settings = WatchSettings(lake_url=site.lake_url, warehouse_url=site.url, **changes)
        log = structlog.wrap_logger(None, processors=[self._keep])
        self.watcher = Watcher(self.warehouse, site.store, settings, site.clock, LoaderMetrics(self.registry), log)

    def poll(self) -> bool:
        return self.watcher.poll(self.stop)

    def loaded(self) -> list[str]:
        """Return the batches that were loaded, in the order of loading."""
        return [event["batch_id"] for event in self.events if event["event"] == "batch loaded"]

    def metric(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(f"stockpipe_loader_{name}", labels) or 0.0

    def _keep(self, _logger: object, level: str, event: Any) -> Any:
        self.events.append({**event, "level": level})
        raise structlog.DropEvent


@pytest.fixture
def watch(site: Site) -> Watch:
    return Watch(site)


def bad_batch(site: Site, batch_id: str) -> None:
    file = ProcessedFile(key=f"processed/{batch_id}.parquet", rows=1, bytes=10)
    commit_processed(site.store, manifest_of("daily", batch_id, [file]))


def test_batches_of_all_datasets_are_loaded_oldest_first(watch: Watch) -> None:
    store = watch.site.store
    write_batch(store, "realtime_live", "20240514T150200Z-c", [window_row(symbol="C")])
    write_batch(store, "daily", "20240514T150100Z-b", [daily_row(symbol="B")])
    write_batch(store, "realtime", "20240101T000000Z-a", [window_row(symbol="A")])
    assert watch.poll() is False
    assert watch.loaded() == ["20240101T000000Z-a", "20240514T150100Z-b", "20240514T150200Z-c"]
    assert watch.metric("batches_total", dataset="daily") == 1
    assert watch.metric("rows_total", dataset="realtime", outcome="inserted") == 1
    assert watch.metric("load_seconds_count", dataset="realtime_live") == 1


def test_the_database_stays_closed_while_nothing_is_new(watch: Watch) -> None:
    watch.poll()
    assert watch.warehouse.opened == 1
    watch.poll()
    assert watch.warehouse.opened == 1
    write_batch(watch.site.store, "daily", "20240514T150000Z-a", [daily_row()])
    watch.poll()
    watch.poll()
    assert watch.warehouse.opened == 2
    assert watch.loaded() == ["20240514T150000Z-a"]


def test_an_old_batch_that_comes_late_is_found_at_the_next_rescan(watch: Watch) -> None:
    watch.poll()
    write_batch(watch.site.store, "daily", "20240501T150000Z-late", [daily_row()])
    watch.poll()
    assert watch.loaded() == []
    watch.site.clock.advance(3600)
    watch.poll()
    assert watch.loaded() == ["20240501T150000Z-late"]


def test_what_another_loader_loaded_is_left_alone(watch: Watch) -> None:
    site = watch.site
    before = write_batch(site.store, "daily", "20240514T150000Z-a", [daily_row()])
    site.load(before)
    watch.poll()
    site.load(write_batch(site.store, "daily", "20240514T150100Z-b", [daily_row(symbol="B")]))
    watch.poll()
    assert watch.loaded() == []
    assert len(site.ledger()) == 2


def test_a_bad_batch_is_reported_and_tried_again_ever_later(watch: Watch) -> None:
    site = watch.site
    bad_batch(site, "20240514T140000Z-bad")
    write_batch(site.store, "daily", "20240514T150000Z-good", [daily_row()])
    tries = []
    for _ in range(400):
        failures = watch.metric("failures_total", dataset="daily")
        watch.poll()
        if watch.metric("failures_total", dataset="daily") > failures:
            tries.append(site.clock.monotonic())
        site.clock.advance(5)
    assert watch.loaded() == ["20240514T150000Z-good"]
    assert tries[:6] == [0, 10, 30, 70, 150, 310]
    errors = [event for event in watch.events if event["level"] == "error"]
    assert errors[0]["batch_id"] == "20240514T140000Z-bad"
    assert "found no object" in errors[0]["error"]
    assert [event["retry_seconds"] for event in errors] == [10, 20, 40, 80, 160, 320, 640, 900]


def test_counters_of_failures_are_there_before_the_first_one(watch: Watch) -> None:
    labels = {"dataset": "daily", "check": "prices"}
    assert watch.registry.get_sample_value("stockpipe_loader_checks_failed_total", labels) == 0
    labels = {"dataset": "realtime_live", "check": "price_jump"}
    assert watch.registry.get_sample_value("stockpipe_loader_check_warnings_total", labels) == 0
    assert watch.registry.get_sample_value("stockpipe_loader_failures_total", {"dataset": "realtime"}) == 0


def test_a_check_that_refuses_a_batch_is_counted_by_name_and_written_down(watch: Watch) -> None:
    write_batch(watch.site.store, "daily", "20240514T150000Z-a", [daily_row(daily_volume=-1, daily_low=0.0)])
    watch.poll()
    refused = {
        check: watch.metric("checks_failed_total", dataset="daily", check=check) for check in ("volumes", "prices")
    }
    assert refused == {"volumes": 1, "prices": 1}
    assert watch.metric("checks_failed_total", dataset="daily", check="unique_key") == 0
    results = watch.site.rows(data_quality_results("STOCKMARKETBATCH"))
    failed = [(row["batch_id"], row["check_name"]) for row in results if row["status"] == "failed"]
    assert failed == [("20240514T150000Z-a", "prices"), ("20240514T150000Z-a", "volumes")]
    assert watch.site.ledger() == []


def test_a_batch_that_was_mended_is_loaded(watch: Watch) -> None:
    site = watch.site
    manifest = write_batch(site.store, "daily", "20240514T150000Z-a", [daily_row()])
    data = site.store.get(manifest.files[0].key)
    site.store.delete(manifest.files[0].key)
    watch.poll()
    assert watch.loaded() == []
    site.store.create(manifest.files[0].key, data)
    site.clock.advance(10)
    watch.poll()
    assert watch.loaded() == ["20240514T150000Z-a"]


def test_a_failed_check_keeps_only_its_batch_out(watch: Watch) -> None:
    store = watch.site.store
    write_batch(store, "daily", "20240514T140000Z-bad", [daily_row(daily_volume=-1)])
    write_batch(store, "daily", "20240514T150000Z-good", [daily_row(symbol="B", date=datetime(2024, 1, 5).date())])
    watch.poll()
    assert watch.loaded() == ["20240514T150000Z-good"]
    assert "volumes" in next(event["error"] for event in watch.events if event["level"] == "error")
    assert watch.metric("check_warnings_total", dataset="daily", check="fresh") == 1


def test_a_manifest_that_can_not_be_read_keeps_only_itself_out(watch: Watch) -> None:
    store = watch.site.store
    store.create("processed/_manifests/daily/date=2024-05-14/20240514T140000Z-torn.json", b"{")
    store.create("processed/_manifests/daily/date=2024-05-14/notes.json", b"{}")
    write_batch(store, "daily", "20240514T150000Z-good", [daily_row()])
    watch.poll()
    assert watch.loaded() == ["20240514T150000Z-good"]
    assert watch.metric("failures_total", dataset="daily") == 2


def test_an_unexpected_error_keeps_only_its_batch_out(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object) -> None:
        raise ZeroDivisionError("a mistake")

    write_batch(watch.site.store, "daily", "20240514T150000Z-a", [daily_row()])
    with monkeypatch.context() as patch:
        patch.setattr("stockpipe.loader.load.run_checks", fail)
        watch.poll()
    assert watch.metric("failures_total", dataset="daily") == 1
    watch.site.clock.advance(10)
    watch.poll()
    assert watch.loaded() == ["20240514T150000Z-a"]


def test_a_batch_that_breaks_the_connection_lets_the_others_go_first(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_first(session: Session, store: ObjectStore, manifest: ProcessedManifest, *more: Any) -> LoadResult:
        if manifest.batch_id.endswith("bad"):
            raise WarehouseUnavailable("connection is broken")
        return load_batch(session, store, manifest, *more)

    monkeypatch.setattr("stockpipe.loader.watch.load_batch", break_first)
    write_batch(watch.site.store, "daily", "20240514T140000Z-bad", [daily_row()])
    write_batch(watch.site.store, "daily", "20240514T150000Z-good", [daily_row()])
    with pytest.raises(WarehouseUnavailable):
        watch.poll()
    watch.poll()
    assert watch.loaded() == ["20240514T150000Z-good"]


def test_a_long_backlog_is_loaded_in_turns(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = watch.site.clock
    assert isinstance(clock, ManualClock)
    monkeypatch.setattr(clock, "monotonic", iter(range(0, 10_000, 2)).__next__)
    for number in range(6):
        write_batch(watch.site.store, "daily", f"20240514T15000{number}Z-x", [daily_row(symbol=f"S{number}")])
    polls = 1
    while watch.poll():
        polls += 1
    assert polls > 1
    assert watch.loaded() == [f"20240514T15000{number}Z-x" for number in range(6)]


def test_a_stop_ends_a_poll_after_the_batch_in_hand(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        write_batch(watch.site.store, "daily", f"20240514T15000{number}Z-x", [daily_row(symbol=f"S{number}")])
    count = watch.watcher._count

    def count_and_stop(*arguments: Any) -> None:
        count(*arguments)
        watch.stop.set()

    monkeypatch.setattr(watch.watcher, "_count", count_and_stop)
    watch.watcher.run(watch.stop)
    assert watch.loaded() == ["20240514T150000Z-x"]
    assert len(watch.site.rows(DAILY_STOCK_METRICS)) == 1


def test_an_absent_warehouse_is_waited_for(watch: Watch) -> None:
    write_batch(watch.site.store, "daily", "20240514T150000Z-a", [daily_row()])
    watch.warehouse.failing = True
    site, waits = watch.site, watch.site.clock.waits

    class Recovers(threading.Event):
        def is_set(self) -> bool:
            watch.warehouse.failing = len(waits) < 4
            return len(waits) >= 6

    watch.watcher.run(Recovers())
    assert watch.loaded() == ["20240514T150000Z-a"]
    assert [event["event"] for event in watch.events].count("poll failed") == 3
    assert watch.metric("failures_total", dataset="daily") == 0
    assert watch.metric("polls_failed_total") == 3
    assert len(site.rows(DAILY_STOCK_METRICS)) == 1


def test_a_copy_that_could_not_be_written_is_written_by_the_next_poll(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[int] = []

    def publish_at_second_try(file: DuckDBFile, after_closing: ExitStack) -> None:
        tries.append(len(tries))
        if len(tries) == 1:
            raise WarehouseUnavailable("disk is full")
        publish(file, after_closing)

    class AfterTwo(threading.Event):
        def is_set(self) -> bool:
            return len(tries) == 2

    watch.poll()
    write_batch(watch.site.store, "daily", "20240514T150000Z-a", [daily_row()])
    monkeypatch.setattr(duckdb_warehouse, "publish", publish_at_second_try)
    watch.watcher.run(AfterTwo())
    assert watch.site.clock.waits == [0, 10, 10], "readers wait for one poll, not for the next rescan"
    assert watch.loaded() == ["20240514T150000Z-a"]
    assert len(watch.site.rows(DAILY_STOCK_METRICS)) == 1


def test_a_warehouse_that_was_not_migrated_ends_the_program(tmp_path: Path) -> None:
    site = Site(tmp_path)
    with site.warehouse().open(create=True):
        pass
    with pytest.raises(SchemaOutdated, match="run `stockpipe-loader migrate`"):
        Watch(site).poll()


def test_the_program_picks_up_new_batches_and_stops_on_sigterm(site: Site) -> None:
    write_batch(site.store, "realtime", "20240101T000000Z-old", [window_row(symbol="OLD")])
    with subprocess.Popen(
        [program_path("stockpipe-loader"), "watch", "--poll-seconds", "0.2"],
        env=os.environ | site.environment(),
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            eventually(lambda: len(site.ledger()) == 1, "the batch from before the start is loaded")
            new = ids.batch_id(datetime.now(UTC) - timedelta(minutes=1), "new")
            write_batch(site.store, "realtime_live", new, [window_row(symbol="NEW")])
            eventually(lambda: len(site.ledger()) == 2, "the new batch is loaded")
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 0
    assert [json.loads(line)["event"] for line in errors.splitlines()][-1] == "stopped"
    assert [row["symbol"] for row in site.rows(REALTIME_STOCK_ANALYTICS)] == ["NEW", "OLD"]
