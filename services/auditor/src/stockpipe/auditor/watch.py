"""Audits the last days again and again; what doesn't balance becomes a metric, the books a report in the lake."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from datetime import date, timedelta

import msgspec

from stockpipe.auditor.books import HOPS, TABLES, Books, audit
from stockpipe.auditor.freshness import market_staleness
from stockpipe.auditor.lineage.listener import Listener
from stockpipe.auditor.lineage.telling import Telling, places
from stockpipe.auditor.lineage.tracing import Tracing, collector
from stockpipe.auditor.maintenance.garbage import ORPHAN, Collector
from stockpipe.auditor.maintenance.progress import Progress
from stockpipe.auditor.manifest_cache import ManifestCache
from stockpipe.auditor.period import Period
from stockpipe.auditor.settings import AuditWatchSettings
from stockpipe.common.clock import Clock
from stockpipe.common.contracts.books import BooksReport, Finding
from stockpipe.common.errors import PipelineError, Unavailable
from stockpipe.common.lake import layout
from stockpipe.common.lake.store import ObjectExists, ObjectInfo, ObjectStore
from stockpipe.common.logs import Logger
from stockpipe.common.metrics import AuditorMetrics
from stockpipe.common.times import to_text
from stockpipe.common.warehouse.reader import WarehouseReader

Subject = tuple[str, str]
OpenReader = Callable[[], AbstractContextManager[WarehouseReader]]

REPORTS_KEPT = 3
"""Reports that stay; who has just listed them still finds the newest."""


class AuditWatch:
    """Audits every `audit_seconds`.

    The places are read one after the other while everything is running, so a finding may be something on its way. It
    counts, and is logged, once it is there in two audits in a row.
    """

    def __init__(
        self,
        settings: AuditWatchSettings,
        store: ObjectStore,
        open_reader: OpenReader,
        clock: Clock,
        metrics: AuditorMetrics,
        log: Logger,
    ) -> None:
        self._settings = settings
        self._store = ManifestCache(store)
        self._open_reader = open_reader
        self._clock = clock
        self._metrics = metrics
        self._log = log
        self._before: set[Subject] = set()
        self._known: set[Subject] = set()
        self._listener = Listener(settings.lineage_url, settings) if settings.lineage_url else None
        self._telling = Telling(settings, places(settings, store, settings), store)
        self._tracing = Tracing(settings, store, collector(settings.traces_url)) if settings.traces_url else None

    def run(self, stop: threading.Event) -> None:
        """Audit until `stop` is set; what can't be reached or read is logged, counted and tried again."""
        while not stop.is_set():
            started = self._clock.monotonic()
            try:
                self.audit_once()
            except PipelineError as error:
                self._metrics.failures.inc()
                self._log.warning("audit_failed", error=str(error), retry_seconds=self._settings.audit_seconds)
            else:
                self._metrics.audits.inc()
                self._metrics.last_success.set(self._clock.now().timestamp())
                self._metrics.audit_seconds.observe(self._clock.monotonic() - started)
            passed = self._clock.monotonic() - started
            self._clock.wait(max(0.0, self._settings.audit_seconds - passed), stop)

    def audit_once(self) -> None:
        """Audit and set the metrics.

        Raises:
            PipelineError: Kafka, the store or the warehouse can't be reached or read.
        """
        first = (self._clock.now() - timedelta(days=self._settings.audit_days)).date()
        with self._open_reader() as reader:
            books = audit(self._settings, Period(first, None), self._store, reader)
            self._export_staleness(reader)
            self._publish(books, first, self._export(books))
            self._tell(Period(first, None), reader)
        self._export_orphans(first)

    def _tell(self, period: Period, reader: WarehouseReader) -> None:
        """Tell whoever wants to know of runs and traces; who can't be reached is told in the next round."""
        try:
            if self._listener:
                self._log.info("lineage_told", runs=self._telling.tell(period, reader, self._listener.tell))
            if self._tracing:
                self._log.info("traces_exported", spans=self._tracing.export(period, reader))
        except Unavailable as error:
            self._log.warning("not_told", error=str(error), retry_seconds=self._settings.audit_seconds)

    def _publish(self, books: Books, first: date, lasting: list[Finding]) -> None:
        """Leave the report for those who show it, the API for one, and remove older ones."""
        report = BooksReport(
            audited_at=to_text(self._clock.now()),
            first_day=first.isoformat(),
            partitions=books.partitions,
            datasets=books.datasets,
            findings=lasting,
            dead_letters=books.dead_letters,
        )
        with suppress(ObjectExists):
            self._store.create(layout.books_report(report.audited_at), msgspec.json.encode(report))
        for key in [info.key for info in self._store.list(layout.BOOKS_REPORTS)][:-REPORTS_KEPT]:
            self._store.delete(key)

    def _export(self, books: Books) -> list[Finding]:
        """Set the metrics and return the findings that count."""
        metrics = self._metrics
        subjects = {_subject(finding) for finding in books.findings}
        lasting = [finding for finding in books.findings if _subject(finding) in self._before]
        counts: Counter[str] = Counter()
        for finding in lasting:
            counts[finding.hop] += finding.count
            if _subject(finding) not in self._known:
                self._log.error("unaccounted", hop=finding.hop, subject=finding.subject, detail=finding.detail)
        for hop in HOPS:
            metrics.unaccounted.labels(hop).set(counts[hop])
        self._before, self._known = subjects, {_subject(finding) for finding in lasting}
        for topic in self._settings.topics.values():
            partitions = [each for each in books.partitions if each.topic == topic]
            metrics.gap_offsets.labels(topic).set(sum(each.gap for each in partitions))
            metrics.overlap_offsets.labels(topic).set(sum(each.overlap for each in partitions))
            metrics.offsets_waiting.labels(topic).set(sum(each.waiting for each in partitions))
        metrics.dropped_records.clear()  # no batch of the last days may have what one before them had
        for dataset in books.datasets:
            for reason, count in dataset.dropped.items():
                metrics.dropped_records.labels(dataset.dataset, reason).set(count)
            metrics.records_waiting.labels(dataset.dataset).set(dataset.waiting)
            metrics.batches_waiting.labels(dataset.dataset).set(dataset.not_loaded)
        return lasting

    def _export_staleness(self, reader: WarehouseReader) -> None:
        for table in TABLES:
            stale = market_staleness(reader, table, self._settings.exchange, self._clock.now())
            if stale is not None:
                self._metrics.staleness.labels(table.name).set(stale)

    def _export_orphans(self, first: date) -> None:
        settings = self._settings
        cutoff = self._clock.now() - timedelta(hours=settings.orphan_hours)
        progress = Progress(self._clock, self._log)
        # Objects that are a day old, so of the day before.
        since = first - timedelta(days=1)
        collector = Collector(self._store, settings.topics, cutoff, progress, since)
        found = collector.find(self._objects(since))
        for name in layout.OBJECT_PREFIXES:
            count = sum(each.reason == ORPHAN and each.info.key.startswith(f"{name}/") for each in found)
            self._metrics.orphans.labels(name).set(count)

    def _objects(self, since: date) -> Iterator[ObjectInfo]:
        days = (self._clock.now().date() - since).days + 1
        for prefix in layout.day_prefixes(since + timedelta(days=number) for number in range(days)):
            yield from self._store.list(prefix)


def _subject(finding: Finding) -> Subject:
    return finding.hop, finding.subject
