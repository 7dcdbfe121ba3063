"""One maintenance run: retention, then compaction, then the removal of what nothing needs."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import get_args

from stockpipe.auditor.maintenance.compact import Compactor
from stockpipe.auditor.maintenance.coverage import Coverage
from stockpipe.auditor.maintenance.garbage import Collector, list_objects
from stockpipe.auditor.maintenance.progress import Progress
from stockpipe.auditor.maintenance.report import Removed, Report
from stockpipe.auditor.maintenance.retain_processed import BatchRetainer
from stockpipe.auditor.maintenance.retain_raw import RawRetainer
from stockpipe.auditor.settings import MaintainSettings
from stockpipe.common.clock import Clock
from stockpipe.common.contracts.manifests import DatasetName
from stockpipe.common.contracts.tables import DATASETS
from stockpipe.common.ids import Entropy
from stockpipe.common.lake.store import ObjectStore
from stockpipe.common.logs import Logger
from stockpipe.common.warehouse.ledger import DATABASES, loaded_batches
from stockpipe.common.warehouse.reader import WarehouseReader

_QUOTE_DATASETS: tuple[DatasetName, ...] = ("realtime", "realtime_live")


@dataclass(frozen=True)
class Facts:
    """What the lake itself doesn't know: the batches that the warehouse has, and the group's committed offsets."""

    loaded: Mapping[DatasetName, Collection[str]]
    committed: Mapping[int, int | None]


def read_loaded(reader: WarehouseReader) -> dict[DatasetName, set[str]]:
    """Return the batches that LOADED_BATCHES lists.

    Raises:
        PipelineError: the warehouse can't answer.
    """
    loaded: dict[DatasetName, set[str]] = {dataset: set() for dataset in DATASETS}
    for database in DATABASES:
        found = reader.query(f"SELECT dataset, batch_id FROM {reader.qualified(loaded_batches(database))}")
        for row in found.rename_columns(["dataset", "batch_id"]).to_pylist():
            loaded[row["dataset"]].add(row["batch_id"])
    return loaded


class Maintenance:
    """Runs on one lake. Without APPLY it only reads, and reports what it would do."""

    def __init__(
        self,
        settings: MaintainSettings,
        store: ObjectStore,
        facts: Facts,
        clock: Clock,
        entropy: Entropy,
        log: Logger,
    ) -> None:
        self._settings = settings
        self._store = store
        self._facts = facts
        self._now = clock.now()
        self._entropy = entropy
        self._progress = Progress(clock, log)

    def run(self) -> Report:
        """Do all of it.

        Raises:
            ManifestDamaged: a manifest or record can't be read; nothing that it may list was removed.
            CompactionWrong: a compacted file isn't what went in.
        """
        report = Report(self._settings.apply)
        if self._settings.raw_retention_days:
            self._retain_raw(report)
        if self._settings.processed_retention_days:
            self._retain_processed(report)
        self._compact(report)
        self._collect(report)
        return report

    def _retain_raw(self, report: Report) -> None:
        settings = self._settings
        retainer = RawRetainer(
            self._store,
            settings.kafka_topic_realtime,
            self._now - timedelta(days=settings.raw_retention_days),
            self._now,
            self._progress,
        )
        since = retainer.oldest_day()
        if since:
            coverage = Coverage(self._store, _QUOTE_DATASETS, self._facts.loaded, since)
            report.retired += retainer.run(self._facts.committed, coverage, settings.apply)

    def _retain_processed(self, report: Report) -> None:
        before = self._now - timedelta(days=self._settings.processed_retention_days)
        for dataset in get_args(DatasetName):
            loaded = self._facts.loaded[dataset]
            retainer = BatchRetainer(self._store, dataset, loaded, before, self._now, self._progress)
            report.retired += retainer.run(self._settings.apply)

    def _compact(self, report: Report) -> None:
        before = (self._now - timedelta(days=self._settings.compact_after_days)).date()
        for dataset in get_args(DatasetName):
            loaded = self._facts.loaded[dataset]
            compactor = Compactor(self._store, dataset, loaded, before, self._now, self._entropy, self._progress)
            report.compacted += compactor.run(self._settings.apply, report.damaged)

    def _collect(self, report: Report) -> None:
        settings = self._settings
        cutoff = self._now - timedelta(hours=settings.orphan_hours)
        collector = Collector(self._store, settings.topics, cutoff, self._progress)
        found = collector.find(list_objects(self._store))
        if settings.apply:
            collector.remove(found)
        sums: dict[tuple[str, str], Removed] = {}
        for each in found:
            prefix = "/".join(each.info.key.split("/")[:2])
            removed = sums.setdefault((prefix, each.reason), Removed(prefix, each.reason))
            removed.objects += 1
            removed.bytes += each.info.size
        report.removed = [sums[place] for place in sorted(sums)]
        report.kept = collector.kept
