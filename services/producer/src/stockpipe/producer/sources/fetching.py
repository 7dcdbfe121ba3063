"""The bars of one query through the failover order, with retries of what can heal."""

import random
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from stockpipe.common import ids
from stockpipe.common.clock import Clock
from stockpipe.common.logs import Logger
from stockpipe.common.metrics import ProducerMetrics
from stockpipe.common.times import to_text
from stockpipe.producer.sources.bars import jump_fault
from stockpipe.producer.sources.base import BarQuery, BarSource, Fetch, Parsed
from stockpipe.producer.sources.errors import BadPayload, NoData, SourceError, SourceUnavailable
from stockpipe.producer.sources.line import Line

TRIES = 3
FIRST_BACKOFF_SECONDS = 1.0


@dataclass(frozen=True)
class Fetched:
    """Which source answered, what was asked of it in words, and what it said."""

    source: str
    request: str
    fetch_id: str
    parsed: Parsed
    applies_splits: bool


@dataclass(frozen=True)
class NotFetched:
    """Why no source answered, source by source; `empty_by` is one that says that there was no trade."""

    reason: str
    empty_by: str | None = None


class BarFetcher:
    """Asks the sources in order until one answers."""

    def __init__(
        self,
        lines: Sequence[Line[BarSource]],
        clock: Clock,
        rng: random.Random,
        entropy: ids.Entropy,
        metrics: ProducerMetrics,
        log: Logger,
    ) -> None:
        self.lines = lines
        self._clock = clock
        self._rng = rng
        self._entropy = entropy
        self._metrics = metrics
        self._log = log

    def fetch(self, query: BarQuery, batch_id: str, *, but: str = "") -> Fetched | NotFetched:
        """Return the first answer, or why there is none, source by source; the source `but` isn't asked."""
        reasons, empty_by = [], None
        for line in self.lines:
            if line.name == but:
                continue
            if skip := line.skip(self._metrics):
                reasons.append(f"{line.name} {skip[1]}")
                continue
            try:
                return self._ask(line, query, batch_id)
            except SourceError as error:
                reasons.append(error.reason)
                if isinstance(error, NoData) and error.is_empty:
                    empty_by = line.name
                self._log.warning("fetch_failed", symbol=query.symbol, detail=str(error))
        return NotFetched("; ".join(reasons) or "no source to ask", empty_by)

    def _ask(self, line: Line[BarSource], query: BarQuery, batch_id: str) -> Fetched:
        for attempt in range(TRIES):
            try:
                fetched = self._ask_once(line, query, batch_id)
            except SourceError as error:
                line.note(error, self._metrics)
                last = attempt == TRIES - 1 or line.meter is None or not isinstance(error, SourceUnavailable)
                if last or line.skip(self._metrics):
                    raise
                self._clock.wait(self._rng.random() * FIRST_BACKOFF_SECONDS * 2**attempt, threading.Event())
            else:
                line.note(None, self._metrics)
                return fetched
        raise AssertionError("unreachable")

    def _ask_once(self, line: Line[BarSource], query: BarQuery, batch_id: str) -> Fetched:
        now = self._clock.now()
        fetch = Fetch(ids.fetch_id(line.name, now, self._entropy()), to_text(now), batch_id)
        began = self._clock.monotonic()
        payload = line.source.fetch_bars(query)
        parsed = line.source.parse_bars(query, payload, fetch)
        if line.meter is not None and (wrong := jump_fault(parsed.bars, parsed.actions, line.source.applies_splits)):
            raise BadPayload(line.name, query.symbol, wrong)
        self._metrics.fetch_seconds.labels(line.name).observe(self._clock.monotonic() - began)
        for reason, count in parsed.refused.items():
            self._metrics.bars_refused.labels(line.name, reason).inc(count)
            self._log.warning("rows_refused", source=line.name, symbol=query.symbol, reason=reason, count=count)
        return Fetched(line.name, payload.request, fetch.id, parsed, line.source.applies_splits)
