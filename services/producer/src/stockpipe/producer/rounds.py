"""One round of quotes through the failover order: who is asked for which symbols, and how long it may take."""

from collections.abc import Iterable, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from stockpipe.common import ids
from stockpipe.common.clock import Clock
from stockpipe.common.logs import Logger
from stockpipe.common.metrics import ProducerMetrics
from stockpipe.common.times import to_text
from stockpipe.producer.sender import Sender
from stockpipe.producer.sources.base import Fetch, QuoteAnswer, QuoteSource
from stockpipe.producer.sources.errors import NoData, QuotaExhausted, RateLimited, SourceError
from stockpipe.producer.sources.line import Line, Run, run_aside, run_here

ROUND_SHARE = 0.8
"""Part of the interval after which no further call of a round begins."""
REST = timedelta(minutes=10)
"""How long a source isn't asked again for a symbol of which it knows nothing."""


@dataclass
class _Asked:
    """What one source brought in one round."""

    answers: list[QuoteAnswer] = field(default_factory=list)
    failed: dict[str, SourceError] = field(default_factory=dict)


class QuoteRounds:
    """Asks the sources in order; a later one is asked for what the earlier ones didn't bring.

    Each source of the network has a thread of its own. One that takes longer than its part of the interval is left to
    finish: what it brings is sent in the next round, and until then the others are asked for its symbols.
    """

    def __init__(
        self,
        lines: Sequence[Line[QuoteSource]],
        interval: timedelta,
        sender: Sender,
        clock: Clock,
        entropy: ids.Entropy,
        metrics: ProducerMetrics,
        log: Logger,
        aside: "Run[_Asked]" = run_aside,
    ) -> None:
        self._lines = lines
        self._interval = interval.total_seconds()
        self._sender = sender
        self._clock = clock
        self._entropy = entropy
        self._metrics = metrics
        self._log = log
        self._aside = aside
        self._open: dict[str, Future[_Asked]] = {}
        self._quoted: dict[str, datetime] = {}
        self._rests: dict[tuple[str, str], datetime] = {}
        self.sent = 0

    def round(self, symbols: Iterable[str], at: datetime) -> bool:
        """Send a quote of each symbol that has a new one; return whether any source answered."""
        began = self._clock.monotonic()
        left = sorted(symbols, key=lambda symbol: self._quoted.get(symbol, datetime.min.replace(tzinfo=at.tzinfo)))
        wanted, answered = len(left), False
        for line in self._lines:
            if line.name in self._open and self._open[line.name].done():
                answered |= self._take(line, self._open.pop(line.name), left, at)
        for line in self._lines:
            asking = [symbol for symbol in left if self._rests.get((line.name, symbol), at) <= at]
            if not asking:
                continue
            if line.name in self._open:
                self._metrics.source_skips.labels(line.name, "busy").inc()
                continue
            if skip := line.skip(self._metrics):
                self._log.info("source_skipped", source=line.name, reason=skip[1])
                continue
            run = run_here if line.meter is None else self._aside
            future = run(lambda line=line, asking=asking: self._ask(line, asking, at, began))  # type: ignore[misc]
            self._open[line.name] = future
            if wait((future,), timeout=self._interval / (len(self._lines) + 1)).done:
                answered |= self._take(line, self._open.pop(line.name), left, at)
        self._note_age(symbols, at)
        if left and len(left) < wanted:
            self._log.info("symbols_without_quote", count=len(left), first=left[0])
        return answered

    def _ask(self, line: Line[QuoteSource], symbols: list[str], at: datetime, began: float) -> _Asked:
        """Ask one source, the most stale symbols first, as far as budget and time go; runs in the source's thread."""
        asked = _Asked()
        size = line.source.symbols_per_call
        for first in range(0, min(len(symbols), line.left * size), size):
            time_left = began + ROUND_SHARE * self._interval - self._clock.monotonic()
            if line.meter is not None:
                if time_left <= 0:
                    break
                line.meter.patience = time_left
            group = symbols[first : first + size]
            now = self._clock.now()
            fetch = Fetch(ids.fetch_id(line.name, now, self._entropy()), to_text(now))
            started = self._clock.monotonic()
            try:
                answer = line.source.quotes(group, at, fetch)
            except SourceError as error:
                line.note(error, self._metrics)
                asked.failed |= dict.fromkeys(group, error)
                self._log.warning("fetch_failed", at=at.isoformat(), detail=str(error))
                if isinstance(error, RateLimited | QuotaExhausted):
                    break
                continue
            line.note(None, self._metrics)
            self._metrics.fetch_seconds.labels(line.name).observe(self._clock.monotonic() - started)
            asked.answers.append(answer)
            asked.failed |= answer.failed
        return asked

    def _take(self, line: Line[QuoteSource], done: "Future[_Asked]", left: list[str], at: datetime) -> bool:
        """Send what a source brought and strike its symbols from `left`."""
        asked = done.result()
        struck: set[str] = set()
        for answer in asked.answers:
            for quote in answer.quotes:
                self._sender.send(quote, answer.request)
                self._quoted[quote.symbol] = at
                struck.add(quote.symbol)
            self.sent += len(answer.quotes)
            self._quoted |= dict.fromkeys(answer.unchanged, at)
            struck |= answer.unchanged
            for symbol, error in answer.failed.items():
                self._metrics.fetch_failures.labels(line.name, type(error).__name__).inc()
                self._log.info("symbol_failed", symbol=symbol, detail=str(error))
        for symbol, error in asked.failed.items():
            if isinstance(error, NoData):
                self._rests[line.name, symbol] = at + REST
        left[:] = [symbol for symbol in left if symbol not in struck]
        return bool(asked.answers)

    def _note_age(self, symbols: Iterable[str], at: datetime) -> None:
        ages = [(at - self._quoted[symbol]).total_seconds() for symbol in symbols if symbol in self._quoted]
        self._metrics.oldest_quote.set(max(ages, default=0.0))
