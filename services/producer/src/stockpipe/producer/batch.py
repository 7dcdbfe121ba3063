"""`stockpipe-producer batch`: the daily bars and corporate actions of every symbol between two dates."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from stockpipe.common import calendar, ids
from stockpipe.common.clock import Clock
from stockpipe.common.errors import ConfigError
from stockpipe.common.lake.manifests import raw_manifests
from stockpipe.common.lake.store import ObjectStore
from stockpipe.common.logs import Logger
from stockpipe.common.metrics import ProducerMetrics
from stockpipe.producer.sender import Sender
from stockpipe.producer.settings import NETWORK_SOURCES, BatchSettings
from stockpipe.producer.sources.base import BarQuery, BarSource
from stockpipe.producer.sources.crosscheck import Difference, compare
from stockpipe.producer.sources.errors import SourceError
from stockpipe.producer.sources.fetching import BarFetcher, Fetched, NotFetched
from stockpipe.producer.sources.line import Line
from stockpipe.producer.sources.replay import ReplayBars
from stockpipe.producer.sources.sample import SampleBars
from stockpipe.producer.sources.splits import KnownSplits
from stockpipe.producer.symbols import Instrument
from stockpipe.producer.wiring import Wiring

HISTORY_START = date(1990, 1, 1)


@dataclass
class BatchSummary:
    """What a run did; printed as JSON in the end."""

    batch_id: str
    records: int = 0
    symbols: dict[str, int] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    actions: int = 0
    differences: list[Difference] = field(default_factory=list)


def bar_lines(settings: BatchSettings, wiring: Wiring) -> list[Line[BarSource]]:
    """Return the sources in their order.

    Raises:
        ConfigError: one needs another setting.
    """
    try:
        return [
            wiring.bars(name) if name in NETWORK_SOURCES else Line(name, _local_source(name, settings, wiring))
            for name in settings.sources
        ]
    except SourceError as error:
        raise ConfigError(f"SOURCES (--sources): {error}") from error


def _local_source(name: str, settings: BatchSettings, wiring: Wiring) -> BarSource:
    return SampleBars() if name == "sample" else ReplayBars(wiring.store, settings.kafka_topic_batch)


def date_range(settings: BatchSettings, clock: Clock) -> tuple[date | None, date]:
    """Return the first session date that is wanted, None for the default one, and the last.

    Raises:
        ConfigError: they are reversed.
    """
    last = settings.last_date or clock.now().date()
    if settings.first_date is not None and settings.first_date > last:
        raise ConfigError(f"FROM (--from) {settings.first_date} is after TO (--to) {last}; swap them")
    return settings.first_date, last


class BatchRun:
    """One run; a symbol that fails is named in the summary and doesn't stop the others."""

    def __init__(
        self,
        settings: BatchSettings,
        wiring: Wiring,
        fetcher: BarFetcher,
        bars: Sender,
        actions: Sender | None,
        clock: Clock,
        entropy: ids.Entropy,
        rng: random.Random,
        metrics: ProducerMetrics,
        log: Logger,
    ) -> None:
        """Prepare to send to `bars`, and what a source knows of splits and dividends to `actions`.

        Raises:
            ConfigError: the dates or the batch id are wrong.
        """
        self._settings = settings
        self._wiring = wiring
        self._fetcher = fetcher
        self._bars = bars
        self._actions = actions
        self._rng = rng
        self._metrics = metrics
        self._log = log
        self._first, self._last = date_range(settings, clock)
        self._splits = KnownSplits(wiring.store) if wiring.uses_network else None
        self.summary = BatchSummary(settings.batch_id or ids.batch_id(clock.now(), f"daily-{entropy()}"))
        ids.batch_day(self.summary.batch_id)

    def run(self, instruments: Sequence[Instrument]) -> BatchSummary:
        """Send everything.

        Raises:
            ConfigError: a date is outside an exchange's calendar.
        """
        planned, put_off = self._plan(instruments)
        for each in put_off:
            self.summary.failed[each.symbol] = f"put off, the sources' budgets allow {len(planned)} calls now"
        count = min(self._settings.cross_check_symbols, len(planned)) if len(self._fetcher.lines) > 1 else 0
        chosen = self._rng.sample(range(len(planned)), count)
        for position, each in enumerate(planned):
            query = self._query(each)
            fetched = self.send(query)
            if isinstance(fetched, Fetched) and position in chosen:
                self._cross_check(query, fetched)
        return self.summary

    def send(self, query: BarQuery) -> Fetched | NotFetched:
        """Send the bars of one query, and the symbol's whole history where it has a new split."""
        fetched = self._fetch(query)
        if isinstance(fetched, NotFetched):
            return fetched
        if self._splits and fetched.applies_splits and (new := self._splits.unknown(fetched.parsed.actions)):
            if query.first > HISTORY_START:
                self._log.warning("new_split", symbol=query.symbol, ex_dates=[action.ex_date for action in new])
                history = BarQuery(query.symbol, HISTORY_START, query.last, query.exchange, query.currency)
                fetched = self._fetch(history)
                if isinstance(fetched, NotFetched):
                    return fetched
            self._bars.flush()
            self._splits.remember(new)
        self.summary.symbols[query.symbol] = len(fetched.parsed.bars)
        return fetched

    def _cross_check(self, query: BarQuery, first: Fetched) -> None:
        """Compare what was sent with what the next source says."""
        second = self._fetcher.fetch(query, self.summary.batch_id, but=first.source)
        if isinstance(second, NotFetched):
            self._log.warning("cross_check_failed", symbol=query.symbol, detail=second.reason)
            return
        actions = [*first.parsed.actions, *second.parsed.actions]
        for difference in compare(first.parsed.bars, second.parsed.bars, second.source, actions):
            self._metrics.cross_check_differences.labels(first.source, second.source, difference.field).inc()
            self._log.warning("sources_differ", symbol=query.symbol, date=difference.date, values=difference.values)
            self.summary.differences.append(difference)

    def _fetch(self, query: BarQuery) -> Fetched | NotFetched:
        fetched = self._fetcher.fetch(query, self.summary.batch_id)
        if isinstance(fetched, NotFetched):
            self.summary.failed[query.symbol] = fetched.reason
        else:
            for bar in fetched.parsed.bars:
                self._bars.send(bar, fetched.request)
            if self._actions:
                for action in fetched.parsed.actions:
                    self._actions.send(action, fetched.request)
                self.summary.actions += len(fetched.parsed.actions)
            self.summary.records += len(fetched.parsed.bars)
            self._log.info("symbol_sent", symbol=query.symbol, bars=len(fetched.parsed.bars), fetch_id=fetched.fetch_id)
        self._bars.poll()
        return fetched

    def _query(self, each: Instrument) -> BarQuery:
        first = self._first
        if first is None:
            first = (
                calendar.trailing_session(each.exchange, self._last, self._settings.trailing_sessions)
                if self._wiring.uses_network
                else HISTORY_START
            )
        return BarQuery(each.symbol, first, self._last, each.exchange, each.currency)

    def _plan(self, instruments: Sequence[Instrument]) -> tuple[list[Instrument], list[Instrument]]:
        """Return the symbols that the budgets reach for, those fetched longest ago first, and the others."""
        calls = sum(line.left for line in self._fetcher.lines if line.skip(self._metrics) is None)
        self._log.info("run_planned", symbols=len(instruments), calls=min(calls, len(instruments)))
        if calls >= len(instruments) or not self._wiring.uses_network or calls == 0:
            return list(instruments), []
        fetched = last_fetched(self._wiring.store, self._settings.kafka_topic_batch)
        ordered = sorted(instruments, key=lambda each: fetched.get(each.symbol, ""))
        return ordered[:calls], ordered[calls:]


def last_fetched(store: ObjectStore, topic: str) -> dict[str, str]:
    """Return when each symbol last came into the lake, in text form."""
    found: dict[str, str] = {}
    for manifest in raw_manifests(store, topic):
        for symbol in manifest.symbols:
            found[symbol] = max(found.get(symbol, ""), manifest.written_at)
    return found
