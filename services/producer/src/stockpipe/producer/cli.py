"""`stockpipe-producer`."""

import random
from collections.abc import Callable
from dataclasses import asdict
from datetime import date, timedelta

import msgspec
from prometheus_client import CollectorRegistry

from stockpipe.common import calendar
from stockpipe.common.cli import Command, print_summary, run_program
from stockpipe.common.clock import Clock, SystemClock
from stockpipe.common.errors import PartialFailure
from stockpipe.common.health import WatchedClock
from stockpipe.common.ids import random_suffix
from stockpipe.common.kafka import new_producer, require_topics
from stockpipe.common.logs import Logger, configure_logs
from stockpipe.common.metrics import ProducerMetrics
from stockpipe.common.service import serve_metrics, stop_on_signals
from stockpipe.producer.batch import BatchRun, BatchSummary, bar_lines, date_range
from stockpipe.producer.check import check_sources
from stockpipe.producer.gaps import Sessions, SymbolGaps, fill, find_gaps, settled_before
from stockpipe.producer.minute_fill import MinuteFill, MinuteFillSummary
from stockpipe.producer.minute_gaps import MinuteAccount, Minutes, find_minute_gaps
from stockpipe.producer.realtime import past_session, quote_lines, rounds, send_rounds
from stockpipe.producer.rounds import QuoteRounds
from stockpipe.producer.sender import Sender
from stockpipe.producer.settings import (
    NETWORK_SOURCES,
    BatchSettings,
    CheckSettings,
    GapsSettings,
    ProducerSettings,
    RealtimeSettings,
    SourceSettings,
)
from stockpipe.producer.sources.fetching import BarFetcher
from stockpipe.producer.wiring import Wiring


def run_realtime(settings: RealtimeSettings) -> int:
    """Run the command and return its exit code."""
    log, metrics, clock = _start(settings)
    stop = stop_on_signals()
    wiring = Wiring(settings, clock, metrics, log)
    session = past_session(settings)
    instants = rounds(settings, session, wiring, clock, stop, metrics, log)
    lines = quote_lines(settings, session, wiring)
    sender = _sender(settings, settings.kafka_topic_realtime, metrics, log)
    interval = timedelta(seconds=settings.fetch_interval_seconds)
    quotes = QuoteRounds(lines, interval, sender, clock, random_suffix, metrics, log)
    summary = send_rounds(instants, quotes, sender)
    sender.close()
    print_summary(settings, asdict(summary))
    return 0


def run_check(settings: CheckSettings) -> int:
    """Run the command and return its exit code."""
    log, metrics, clock = _start(settings)
    wiring = Wiring(settings, clock, metrics, log)
    lines = [wiring.bars(name) for name in settings.sources if name in NETWORK_SOURCES]
    instrument = next(iter(wiring.instruments.values()))
    print(msgspec.json.encode(check_sources(lines, instrument, clock, random_suffix, metrics)).decode())
    return 0


def run_batch(settings: BatchSettings) -> int:
    """Run the command and return its exit code."""
    log, metrics, clock = _start(settings)
    date_range(settings, clock)
    wiring = Wiring(settings, clock, metrics, log)
    instruments = list(wiring.instruments.values())
    rng = random.Random()  # noqa: S311 - jitter and samples
    fetcher = BarFetcher(bar_lines(settings, wiring), clock, rng, random_suffix, metrics, log)
    bars = _sender(settings, settings.kafka_topic_batch, metrics, log)
    actions = _sender(settings, settings.kafka_topic_actions, metrics, log) if wiring.uses_network else None
    run = BatchRun(settings, wiring, fetcher, bars, actions, clock, random_suffix, rng, metrics, log)
    summary = run.run(instruments)
    bars.close()
    if actions:
        actions.close()
    print_summary(settings, asdict(summary))
    if summary.failed:
        reasons = "; ".join(f"{symbol}: {reason}" for symbol, reason in summary.failed.items())
        raise PartialFailure(f"{len(summary.failed)} of {len(instruments)} symbols gave no bars: {reasons}")
    return 0


def run_gaps(settings: GapsSettings) -> int:
    """Run the command and return its exit code."""
    log, metrics, clock = _start(settings)
    wiring = Wiring(settings, clock, metrics, log)
    first, last = date_range(settings, clock)
    first = first or min(
        calendar.trailing_session(exchange, last, settings.trailing_sessions)
        for exchange in {each.exchange for each in wiring.instruments.values()}
    )
    look = _minute_gaps if settings.minutes else _session_gaps
    accounts, fill_them = look(settings, wiring, first, last, clock, metrics, log)
    report = {"first": first, "last": last, "symbols": accounts}
    if not settings.fill:
        print_summary(settings, report)
        return 0
    filled = fill_them()
    print_summary(settings, report | {"filled": asdict(filled)})
    if filled.failed:
        reasons = "; ".join(f"{symbol}: {reason}" for symbol, reason in filled.failed.items())
        raise PartialFailure(f"gaps of {len(filled.failed)} symbols are left: {reasons}")
    return 0


def _session_gaps(
    settings: GapsSettings,
    wiring: Wiring,
    first: date,
    last: date,
    clock: Clock,
    metrics: ProducerMetrics,
    log: Logger,
) -> tuple[list[SymbolGaps], Callable[[], BatchSummary]]:
    instruments = list(wiring.instruments.values())
    lines = bar_lines(settings, wiring)
    sessions = Sessions(wiring.store, settings.kafka_topic_batch, wiring.instruments, first, last)
    settled = settled_before(clock.now(), settings.settle_minutes)
    accounts = find_gaps(instruments, sessions, first, last, settled, all(line.cools_down for line in lines))

    def fill_them() -> BatchSummary:
        rng = random.Random()  # noqa: S311 - jitter
        fetcher = BarFetcher(lines, clock, rng, random_suffix, metrics, log)
        bars = _sender(settings, settings.kafka_topic_batch, metrics, log)
        actions = _sender(settings, settings.kafka_topic_actions, metrics, log) if wiring.uses_network else None
        run = BatchRun(settings, wiring, fetcher, bars, actions, clock, random_suffix, rng, metrics, log)
        fill(accounts, instruments, sessions, run, clock)
        bars.close()
        if actions:
            actions.close()
        return run.summary

    return accounts, fill_them


def _minute_gaps(
    settings: GapsSettings,
    wiring: Wiring,
    first: date,
    last: date,
    clock: Clock,
    metrics: ProducerMetrics,
    log: Logger,
) -> tuple[list[MinuteAccount], Callable[[], MinuteFillSummary]]:
    instruments = list(wiring.instruments.values())
    line = wiring.minutes()
    minutes = Minutes(wiring.store, settings.kafka_topic_realtime, wiring.instruments, first, last)
    settled = settled_before(clock.now(), settings.settle_minutes)
    accounts = find_minute_gaps(instruments, minutes, first, last, settled, line.cools_down)

    def fill_them() -> MinuteFillSummary:
        rng = random.Random()  # noqa: S311 - jitter
        quotes = _sender(settings, settings.kafka_topic_realtime, metrics, log)
        summary = MinuteFill(line, minutes, quotes, clock, random_suffix, rng, metrics, log).run(accounts, instruments)
        quotes.close()
        return summary

    return accounts, fill_them


def _start(settings: SourceSettings) -> tuple[Logger, ProducerMetrics, Clock]:
    registry = CollectorRegistry()
    clock = WatchedClock(SystemClock(), settings.stall_seconds)
    serve_metrics(registry, settings.metrics_port, clock)
    return configure_logs("producer", settings.log_level), ProducerMetrics(registry), clock


def _sender(settings: ProducerSettings, topic: str, metrics: ProducerMetrics, log: Logger) -> Sender:
    probe, _errors = new_producer(settings, log)
    require_topics(probe, settings, topic)
    return Sender(settings, topic, metrics, log, traced=settings.trace_headers)


def main() -> None:
    """Run the program."""
    run_program(
        "stockpipe-producer",
        {
            "realtime": Command(RealtimeSettings, run_realtime),
            "batch": Command(BatchSettings, run_batch),
            "check": Command(CheckSettings, run_check),
            "gaps": Command(GapsSettings, run_gaps),
        },
    )
