"""Command line of the loader."""

import threading
from collections.abc import Mapping
from typing import Any

from prometheus_client import CollectorRegistry

from stockpipe.common.cli import Command, print_summary, run_program
from stockpipe.common.clock import Clock, SystemClock
from stockpipe.common.health import WatchedClock
from stockpipe.common.lake.open import open_lake
from stockpipe.common.logs import configure_logs
from stockpipe.common.metrics import LoaderMetrics
from stockpipe.common.service import serve_metrics, stop_on_signals
from stockpipe.loader.checks import ChecksFailed
from stockpipe.loader.find import find_batch
from stockpipe.loader.load import load_batch
from stockpipe.loader.migrate import compare, migrate, require_current
from stockpipe.loader.open import OpenWarehouse, open_warehouse
from stockpipe.loader.settings import CheckConnectionSettings, LoadSettings, MigrateSettings, WatchSettings
from stockpipe.loader.tables import all_tables
from stockpipe.loader.watch import Watcher

PROGRAM = "stockpipe-loader"


class Loader:
    """The commands, on a clock and a way to open warehouses that tests can replace."""

    def __init__(self, clock: Clock, open_warehouse: OpenWarehouse) -> None:
        self._clock = clock
        self._open_warehouse = open_warehouse

    @property
    def commands(self) -> Mapping[str, Command[Any]]:
        """Return the commands by name."""
        return {
            "watch": Command(WatchSettings, self.watch),
            "load": Command(LoadSettings, self.load),
            "migrate": Command(MigrateSettings, self.migrate),
            "check-connection": Command(CheckConnectionSettings, self.check_connection),
        }

    def watch(self, settings: WatchSettings) -> int:
        """Load new batches until stopped."""
        log = configure_logs("loader", settings.log_level)
        stop = stop_on_signals()
        registry = CollectorRegistry()
        clock = WatchedClock(self._clock, settings.stall_seconds)
        warehouse = self._open_warehouse(settings, clock, stop)
        store = open_lake(settings)
        watcher = Watcher(warehouse, store, settings, clock, LoaderMetrics(registry), log)
        serve_metrics(registry, settings.metrics_port, clock)
        log.info("watching", lake=store.url, warehouse=warehouse.url)
        watcher.run(stop)
        log.info("stopped")
        return 0

    def load(self, settings: LoadSettings) -> int:
        """Load one batch and print its summary; of one that is refused, what the checks found."""
        log = configure_logs("loader", settings.log_level)
        store = open_lake(settings)
        warehouse = self._open_warehouse(settings, self._clock, threading.Event())
        manifest = find_batch(store, settings.dataset, settings.batch_id)
        with warehouse.open() as session:
            require_current(session)
            try:
                result = load_batch(session, store, manifest, self._clock, settings.staging_folder)
            except ChecksFailed as refused:
                about = {"dataset": manifest.dataset, "batch_id": manifest.batch_id}
                print_summary(settings, about | {"checks": refused.results})
                raise
        for check, rows in result.warnings.items():
            log.warning("check found rows", dataset=result.dataset, batch_id=result.batch_id, check=check, found=rows)
        print_summary(settings, result)
        return 0

    def migrate(self, settings: MigrateSettings) -> int:
        """Migrate and print what was done."""
        warehouse = self._open_warehouse(settings, self._clock, threading.Event())
        with warehouse.open(create=True) as session:
            lines = migrate(session)
        print("\n".join(lines))
        return 0

    def check_connection(self, settings: CheckConnectionSettings) -> int:
        """Print one line about the warehouse."""
        warehouse = self._open_warehouse(settings, self._clock, threading.Event())
        with warehouse.open() as session:
            differences = [compare(session, table) for table in all_tables()]
            version = session.version
        parts = [f"{warehouse.url}: reachable", version]
        if present := [difference.name for difference in differences if not difference.absent]:
            parts.append(f"tables present: {', '.join(present)}")
        if absent := [difference.name for difference in differences if difference.absent]:
            parts.append(f"tables missing: {', '.join(absent)} (run `{PROGRAM} migrate`)")
        print("; ".join(parts))
        return 0


def main() -> None:
    """Run the program."""
    run_program(PROGRAM, Loader(SystemClock(), open_warehouse).commands)
