"""`stockpipe-auditor`."""

from typing import Any

import msgspec
from prometheus_client import CollectorRegistry

from stockpipe.auditor.books import audit
from stockpipe.auditor.lineage.listener import Listener
from stockpipe.auditor.lineage.telling import Telling, places
from stockpipe.auditor.maintenance.report import render as render_report
from stockpipe.auditor.maintenance.run import Facts, Maintenance, read_loaded
from stockpipe.auditor.offsets import committed_by_partition
from stockpipe.auditor.period import Period
from stockpipe.auditor.quality import broken_checks
from stockpipe.auditor.report import render as render_books
from stockpipe.auditor.settings import (
    AuditWatchSettings,
    BooksSettings,
    LineageSettings,
    MaintainSettings,
    TraceSettings,
)
from stockpipe.auditor.trace import render as render_trace
from stockpipe.auditor.trace import trace
from stockpipe.auditor.watch import AuditWatch
from stockpipe.common.cli import Command, run_program, write_xcom
from stockpipe.common.clock import SystemClock
from stockpipe.common.errors import PipelineError
from stockpipe.common.health import WatchedClock
from stockpipe.common.ids import random_suffix
from stockpipe.common.lake.open import open_lake
from stockpipe.common.logs import configure_logs
from stockpipe.common.metrics import AuditorMetrics
from stockpipe.common.service import serve_metrics, stop_on_signals
from stockpipe.common.warehouse.reader import open_reader


def run_books(settings: BooksSettings) -> int:
    """Run the command and return its exit code."""
    configure_logs("auditor", settings.log_level)
    store = open_lake(settings)
    period = Period(settings.first_day, settings.last_day)
    with open_reader(settings) as reader:
        books = audit(settings, period, store, reader)
        checks = broken_checks(reader, period)
    line = _json(
        {**vars(books), "unaccounted": books.unaccounted, "balanced": not books.findings, "broken_checks": checks}
    )
    print(line if settings.as_json else render_books(books, checks))
    write_xcom(settings, line)
    return PipelineError.exit_code if books.findings else 0


def run_watch(settings: AuditWatchSettings) -> int:
    """Run the command and return its exit code."""
    log = configure_logs("auditor", settings.log_level)
    stop = stop_on_signals()
    registry = CollectorRegistry()
    metrics = AuditorMetrics(registry)
    store = open_lake(settings)
    clock = WatchedClock(SystemClock(), settings.stall_seconds)
    watch = AuditWatch(settings, store, lambda: open_reader(settings), clock, metrics, log)
    serve_metrics(registry, settings.metrics_port, clock)
    log.info("watching", lake=store.url, days=settings.audit_days, seconds=settings.audit_seconds)
    watch.run(stop)
    log.info("stopped")
    return 0


def run_maintain(settings: MaintainSettings) -> int:
    """Run the command and return its exit code."""
    log = configure_logs("auditor", settings.log_level)
    store = open_lake(settings)
    with open_reader(settings) as reader:
        loaded = read_loaded(reader)
    # Offsets matter only to the retention of quotes.
    committed = committed_by_partition(settings, "realtime") if settings.raw_retention_days else {}
    report = Maintenance(settings, store, Facts(loaded, committed), SystemClock(), random_suffix, log).run()
    print(_json(report) if settings.as_json else render_report(report, settings.orphan_hours))
    return PipelineError.exit_code if report.damaged else 0


def run_lineage(settings: LineageSettings) -> int:
    """Run the command and return its exit code."""
    configure_logs("auditor", settings.log_level)
    store = open_lake(settings)
    listener = Listener(settings.lineage_url, settings)
    telling = Telling(settings, places(settings, store, settings), store)
    with open_reader(settings) as reader:
        told = telling.tell(Period(settings.first_day, settings.last_day), reader, listener.tell)
    listener.close()
    print(_json({"told": told, "to": settings.lineage_url}))
    return 0


def run_trace(settings: TraceSettings) -> int:
    """Run the command and return its exit code."""
    store = open_lake(settings)
    with open_reader(settings) as reader:
        found = trace(settings, store, reader)
    print(_json(found) if settings.as_json else render_trace(found))
    return 0


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def main() -> None:
    """Run the program."""
    run_program(
        "stockpipe-auditor",
        {
            "books": Command(BooksSettings, run_books),
            "watch": Command(AuditWatchSettings, run_watch),
            "maintain": Command(MaintainSettings, run_maintain),
            "lineage": Command(LineageSettings, run_lineage),
            "trace": Command(TraceSettings, run_trace),
        },
    )
