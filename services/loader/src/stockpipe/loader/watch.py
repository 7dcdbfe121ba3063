"""Loads new batches as they appear, one after the other, until told to stop."""

import threading
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import get_args

from stockpipe.common.clock import Clock
from stockpipe.common.contracts.manifests import DatasetName
from stockpipe.common.contracts.tables import DATASETS
from stockpipe.common.errors import PipelineError, Unavailable
from stockpipe.common.lake.layout import batch_of_manifest
from stockpipe.common.lake.manifests import processed_keys
from stockpipe.common.lake.store import ObjectStore
from stockpipe.common.logs import Logger
from stockpipe.common.metrics import LoaderMetrics
from stockpipe.common.warehouse.ledger import DATABASES
from stockpipe.loader.backlog import Backlog, BatchRef
from stockpipe.loader.checks import ChecksFailed
from stockpipe.loader.find import find_batch
from stockpipe.loader.freshness import newest_events
from stockpipe.loader.load import LoadResult, load_batch
from stockpipe.loader.migrate import require_current
from stockpipe.loader.settings import WatchSettings
from stockpipe.loader.tables import sql_of
from stockpipe.loader.warehouse import Session, Warehouse, WarehouseUnavailable

_RECENT = timedelta(days=2)
_HANDOVER_SECONDS = 0.5
"""Pause between two sessions of a long backlog, so that another loader can have the warehouse."""


class Watcher:
    """Looks at the lake every few seconds; the warehouse is open only while there is something to load."""

    def __init__(
        self,
        warehouse: Warehouse,
        store: ObjectStore,
        settings: WatchSettings,
        clock: Clock,
        metrics: LoaderMetrics,
        log: Logger,
    ) -> None:
        self._warehouse = warehouse
        self._store = store
        self._settings = settings
        self._clock = clock
        self._metrics = metrics
        self._log = log
        self._scratch: Path | None = settings.staging_folder
        self._backlog = Backlog(settings.retry_seconds, settings.retry_max_seconds)
        self._rescan_at = clock.monotonic()
        self._newest: dict[DatasetName, datetime] = {}
        # A counter that appears with its first count has no increase.
        for dataset in get_args(DatasetName):
            metrics.failures.labels(dataset)
            for check in sql_of(DATASETS[dataset].table).checks:
                counter = metrics.checks_failed if check.level == "fail" else metrics.check_warnings
                counter.labels(dataset, check.name)

    def run(self, stop: threading.Event) -> None:
        """Poll until `stop` is set.

        The poll after a failed one opens the warehouse in any case: readers may still wait for their copy.

        Raises:
            ConfigError: store or warehouse refuse access.
            SchemaOutdated: the warehouse wasn't migrated.
        """
        pause = 0.0
        while not self._clock.wait(pause, stop):
            try:
                more = self.poll(stop)
            except Unavailable as error:
                more = False
                self._rescan_at = self._clock.monotonic()
                self._metrics.polls_failed.inc()
                self._log.warning("poll failed", error=str(error), retry_seconds=self._settings.poll_seconds)
            pause = _HANDOVER_SECONDS if more else self._settings.poll_seconds

    def poll(self, stop: threading.Event) -> bool:
        """Load what is due for at most `poll_seconds`; return whether some of it is left.

        Raises:
            Unavailable: store or warehouse can't be reached.
        """
        rescan = self._clock.monotonic() >= self._rescan_at
        self._backlog.found(self._listed(None if rescan else (self._clock.now() - _RECENT).date()))
        if not rescan and not self._backlog.due(self._clock.monotonic()):
            return False
        with self._warehouse.open() as session:
            require_current(session)
            if rescan:
                self._backlog.recorded(_recorded(session))
                self._rescan_at = self._clock.monotonic() + self._settings.rescan_seconds
            return self._load_due(session, stop)

    def _listed(self, since: date | None) -> Iterator[BatchRef]:
        for dataset in get_args(DatasetName):
            for key in processed_keys(self._store, dataset, since):
                yield BatchRef(batch_of_manifest(key), dataset)

    def _load_due(self, session: Session, stop: threading.Event) -> bool:
        end = self._clock.monotonic() + self._settings.poll_seconds
        for ref in self._backlog.due(self._clock.monotonic()):
            if stop.is_set() or self._clock.monotonic() >= end:
                return True
            self._load(session, ref)
        return False

    def _load(self, session: Session, ref: BatchRef) -> None:
        started = self._clock.monotonic()
        try:
            manifest = find_batch(self._store, ref.dataset, ref.batch_id)
            result = load_batch(session, self._store, manifest, self._clock, self._scratch)
        except WarehouseUnavailable:
            # A batch that breaks the connection each time would otherwise be the first in every session.
            self._backlog.failed(ref, self._clock.monotonic())
            raise
        except Exception as error:
            # Whatever is wrong with one batch, even a mistake in this program, must not keep the others waiting.
            retry = self._backlog.failed(ref, self._clock.monotonic())
            for refusing in error.failed if isinstance(error, ChecksFailed) else ():
                self._metrics.checks_failed.labels(ref.dataset, refusing).inc()
            self._metrics.failures.labels(ref.dataset).inc()
            self._log.error(
                "batch not loaded",
                dataset=ref.dataset,
                batch_id=ref.batch_id,
                error=str(error),
                retry_seconds=retry,
                exc_info=not isinstance(error, PipelineError),
            )
            return
        self._backlog.done(ref)
        self._count(result, self._clock.monotonic() - started)
        if not result.already_loaded:
            self._export_freshness(session, result.dataset)

    def _count(self, result: LoadResult, seconds: float) -> None:
        about = {"dataset": result.dataset, "batch_id": result.batch_id, "rows": result.rows}
        if result.already_loaded:
            self._log.info("batch was loaded already", **about)
            return
        self._metrics.batches.labels(result.dataset).inc()
        self._metrics.load_seconds.labels(result.dataset).observe(seconds)
        outcomes = {"inserted": result.inserted, "updated": result.updated, "stale": result.stale}
        for outcome, rows in outcomes.items():
            self._metrics.rows.labels(result.dataset, outcome).inc(rows)
        for check, rows in result.warnings.items():
            self._metrics.check_warnings.labels(result.dataset, check).inc(rows)
            self._log.warning("check found rows", **about, check=check, found=rows)
        self._log.info("batch loaded", **about, **outcomes, seconds=round(seconds, 3))

    def _export_freshness(self, session: Session, dataset: DatasetName) -> None:
        now = self._clock.now()
        events = newest_events(session, DATASETS[dataset].table)
        if not events:
            return
        self._newest[dataset] = max([*events, self._newest.get(dataset, events[0])])
        self._metrics.newest_event.labels(dataset).set(self._newest[dataset].timestamp())
        if dataset == "realtime_live":
            for event in events:
                self._metrics.event_to_warehouse.labels(dataset).observe((now - event).total_seconds())


def _recorded(session: Session) -> set[BatchRef]:
    recorded: set[BatchRef] = set()
    for database in DATABASES:
        session.use(database)
        rows = session.fetch("SELECT batch_id, dataset FROM LOADED_BATCHES")
        recorded |= {BatchRef(batch_id, dataset) for batch_id, dataset in rows}
    return recorded
