"""The auditor's watch: what it exports, and that no outage ends it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from stockpipe.auditor.books import Books
from stockpipe.auditor.manifest_cache import ManifestCache
from stockpipe.auditor.period import Period
from stockpipe.auditor.settings import AuditWatchSettings
from stockpipe.auditor.watch import REPORTS_KEPT, AuditWatch
from stockpipe.common.contracts.books import DatasetBooks, Finding, PartitionBooks, decode_report
from stockpipe.common.contracts.tables import DAILY_STOCK_METRICS, REALTIME_STOCK_ANALYTICS, Table
from stockpipe.common.errors import Unavailable
from stockpipe.common.lake import layout
from stockpipe.common.metrics import AuditorMetrics
from stockpipe.common.times import to_text
from support.clocks import ManualClock
from support.landing import quiet_log
from support.long_run import DAY, LongRun, MemoryReader
from support.raw_lake import QUOTES

GAP = Finding("kafka-raw", "topic partition 0", "offsets 3 to 4 have no manifest", 2)
GONE = Finding("processed-warehouse", "table", "1 rows missing", 1)


class Site:
    """A watch on a lake of two days, whose audits say what the test gives."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.run = LongRun()
        self.answers: list[Books | Exception] = []
        self.periods: list[Period] = []
        self.registry = CollectorRegistry()
        self.stop = threading.Event()
        settings = AuditWatchSettings(kafka_bootstrap_server="none:1", lake_url="memory://", warehouse_url="memory://")
        self.clock = ManualClock(self.run.store.now)
        metrics = AuditorMetrics(self.registry)
        self.watch = AuditWatch(settings, self.run.store, self.open, self.clock, metrics, quiet_log())
        monkeypatch.setattr("stockpipe.auditor.watch.audit", self.audit)

    @contextmanager
    def open(self) -> Iterator[MemoryReader]:
        yield MemoryReader()

    def audit(self, _settings: Any, period: Period, _store: Any, _reader: Any) -> Books:
        self.periods.append(period)
        answer = self.answers.pop(0)
        if not self.answers:
            self.stop.set()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"stockpipe_{name}", labels)


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Site:
    return Site(monkeypatch)


def test_a_finding_counts_once_it_is_there_twice_in_a_row(site: Site) -> None:
    counts = []
    for findings in ([GAP], [GAP, GONE], [GONE], []):
        site.answers = [Books(findings=findings)]
        site.watch.audit_once()
        hops = ("kafka-raw", "processed-warehouse", "raw-processed")
        counts.append([site.value("records_unaccounted", hop=hop) for hop in hops])
    assert counts == [[0, 0, 0], [2, 0, 0], [0, 1, 0], [0, 0, 0]]


def test_an_outage_is_counted_and_tried_again(site: Site) -> None:
    site.answers = [Unavailable("no broker answers"), Books(), Unavailable("no warehouse")]
    site.watch.run(site.stop)
    assert (site.value("auditor_audits_total"), site.value("auditor_failures_total")) == (1, 2)
    assert site.clock.waits == [60, 60, 60]
    assert site.value("auditor_last_success_timestamp_seconds") == (site.clock.now() - timedelta(minutes=2)).timestamp()


def test_only_the_last_days_are_audited(site: Site) -> None:
    site.answers = [Books()]
    site.watch.audit_once()
    assert site.periods == [Period(site.clock.now().date() - DAY, None)]


def test_what_waits_and_what_does_not_follow_is_exported(site: Site) -> None:
    partitions = [PartitionBooks(QUOTES, number, gap=number, overlap=2, waiting=3) for number in (1, 2)]
    site.answers = [Books(partitions, [DatasetBooks("daily", not_loaded=4, waiting=5)])]
    site.watch.audit_once()
    assert site.value("auditor_manifest_gap_offsets", topic=QUOTES) == 3
    assert site.value("auditor_manifest_overlap_offsets", topic=QUOTES) == 4
    assert site.value("auditor_offsets_waiting", topic=QUOTES) == 6
    assert site.value("auditor_records_waiting", dataset="daily") == 5
    assert site.value("auditor_batches_waiting", dataset="daily") == 4


def test_what_batches_dropped_is_exported_and_forgotten_with_their_day(site: Site) -> None:
    site.answers = [Books(datasets=[DatasetBooks("realtime", dropped={"duplicate": 7, "context": 0})]), Books()]
    site.watch.audit_once()
    counts = [
        site.value("auditor_dropped_records", dataset="realtime", reason=each) for each in ("duplicate", "context")
    ]
    assert counts == [7, 0]
    site.watch.audit_once()
    assert site.value("auditor_dropped_records", dataset="realtime", reason="duplicate") is None


def test_staleness_is_exported_for_tables_with_rows(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "stockpipe.auditor.watch.market_staleness", lambda _reader, table, _exchange, _now: answers[table]
    )
    answers: dict[Table, float | None] = {DAILY_STOCK_METRICS: None, REALTIME_STOCK_ANALYTICS: 42.0}
    site.answers = [Books()]
    site.watch.audit_once()
    found = [site.value("staleness_market_seconds", table=table.name) for table in answers]
    assert found == [None, 42]


def test_orphans_of_the_last_days_are_counted(site: Site) -> None:
    run = site.run
    run.land(0, 3)
    run.stream()
    (live,) = (key for key in run.store.objects if key.startswith("processed/realtime_live"))
    run.store.objects[live.replace(".parquet", "-0123456789ab.parquet")] = b"left behind", run.store.now
    site.clock.advance(25 * 3600)
    site.answers = [Books()]
    site.watch.audit_once()
    counts = {
        name: site.value("auditor_orphan_objects", prefix=name) for name in ("raw/realtime", "processed/realtime_live")
    }
    assert counts == {"raw/realtime": 0, "processed/realtime_live": 1}


def test_the_newest_reports_stay_in_the_lake(site: Site) -> None:
    dataset = DatasetBooks("daily", dropped={"duplicate": 3})
    for _ in range(REPORTS_KEPT + 1):
        site.answers = [Books([PartitionBooks(QUOTES, 1, offsets=7)], [dataset], [GAP], {QUOTES: {"not_json": 2}})]
        site.watch.audit_once()
        site.clock.advance(60)
    keys = [info.key for info in site.run.store.list(layout.BOOKS_REPORTS)]
    assert len(keys) == REPORTS_KEPT
    report = decode_report(keys[-1], site.run.store.get(keys[-1]))
    assert report.audited_at == to_text(site.clock.now() - timedelta(seconds=60))
    assert (report.partitions[0].offsets, report.datasets, report.findings) == (7, [dataset], [GAP])
    assert report.dead_letters == {QUOTES: {"not_json": 2}}


def test_manifests_are_read_once(site: Site) -> None:
    run = site.run
    run.land(0, 3)
    (key,) = (key for key in run.store.objects if key.startswith("raw/_manifests"))
    cache = ManifestCache(run.store)
    read = cache.get(key)
    del run.store.objects[key]
    assert cache.get(key) == read
