"""The bars of one query through the failover order, with retries of what can heal."""

import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from stockpipe.common import ids
from stockpipe.common.clock import Clock
from stockpipe.common.logs import Logger
from stockpipe.common.metrics import ProducerMetrics
from stockpipe.common.times import to_text
from stockpipe.producer.sources.bars import jump_fault
from stockpipe.producer.sources.base import BarQuery, BarSource, Fetch, Parsed, refused_with
from stockpipe.producer.sources.errors import BadPayload, NoData, SourceError, SourceUnavailable
from stockpipe.producer.sources.line import Line

TRIES = 3
FIRST_BACKOFF_SECONDS = 1.0

T = TypeVar("T")


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
    """Why no source answered, source by source.

    `empty_by` is one that says that there was no trade, `nothing_by` are all that were asked and say that there is
    nothing, of these sessions or of the symbol.
    """

    reason: str
    empty_by: str | None = None
    nothing_by: tuple[str, ...] = ()


def ask(line: Line[Any], call: Callable[[], T], clock: Clock, rng: random.Random, metrics: ProducerMetrics) -> T:
    """Return what `call` brings from the source of `line`; what can heal is tried again.

    Raises:
        SourceError: the last try failed.
    """
    for attempt in range(TRIES):
        try:
            answer = call()
        except SourceError as error:
            line.note(error, metrics)
            last = attempt == TRIES - 1 or line.meter is None or not isinstance(error, SourceUnavailable)
            if last or line.skip(metrics):
                raise
            clock.wait(rng.random() * FIRST_BACKOFF_SECONDS * 2**attempt, threading.Event())
        else:
            line.note(None, metrics)
            return answer
    raise AssertionError("unreachable")


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
        reasons, empty_by, nothing_by = [], None, []
        for line in self.lines:
            if line.name == but:
                continue
            if skip := line.skip(self._metrics):
                reasons.append(f"{line.name} {skip[1]}")
                continue
            try:
                call = partial(self._ask_once, line, query, batch_id)
                return ask(line, call, self._clock, self._rng, self._metrics)
            except SourceError as error:
                reasons.append(error.reason)
                if isinstance(error, NoData) and error.is_empty:
                    empty_by = line.name
                if isinstance(error, NoData) and (error.is_empty or error.disowned):
                    nothing_by.append(line.name)
                self._log.warning("fetch_failed", symbol=query.symbol, detail=str(error))
        return NotFetched("; ".join(reasons) or "no source to ask", empty_by, tuple(nothing_by))

    def _ask_once(self, line: Line[BarSource], query: BarQuery, batch_id: str) -> Fetched:
        now = self._clock.now()
        fetch = Fetch(ids.fetch_id(line.name, now, self._entropy()), to_text(now), batch_id)
        began = self._clock.monotonic()
        payload = line.source.fetch_bars(query)
        with refused_with(payload):
            parsed = line.source.parse_bars(query, payload, fetch)
            wrong = jump_fault(parsed.bars, parsed.actions, line.source.applies_splits) if line.meter else None
            if wrong:
                raise BadPayload(line.name, query.symbol, wrong)
        self._metrics.fetch_seconds.labels(line.name).observe(self._clock.monotonic() - began)
        for reason, count in parsed.refused.items():
            self._metrics.bars_refused.labels(line.name, reason).inc(count)
            self._log.warning("rows_refused", source=line.name, symbol=query.symbol, reason=reason, count=count)
        return Fetched(line.name, payload.request, fetch.id, parsed, line.source.applies_splits)
