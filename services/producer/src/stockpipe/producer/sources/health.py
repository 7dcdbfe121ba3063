"""Whether a source may be asked: a breaker with a cool-down that all replicas see."""

import random
from collections import deque
from datetime import timedelta

import msgspec

from stockpipe.common.clock import Clock
from stockpipe.common.errors import Unavailable
from stockpipe.common.lake import layout
from stockpipe.common.lake.store import ObjectExists, ObjectStore
from stockpipe.common.logs import Logger
from stockpipe.common.metrics import ProducerMetrics
from stockpipe.common.times import to_text
from stockpipe.producer.sources.errors import NoData, QuotaExhausted, RateLimited, SourceError

COOLDOWN_SECONDS = 900.0
"""The shortest cool-down; the jitter adds up to half of it, so that replicas don't come back together."""
WINDOW = 20
LEAST_CALLS = 10
FAILURE_RATIO = 0.5
LOOK_SECONDS = 15.0


class Health:
    """Trips on a rate limit at once, on other failures when half of the last calls failed.

    A source may hide its rate limit behind other errors, so the ratio counts every kind of failure. A cool-down is the
    object `state/cooldowns/<source>/<until>.json`; the latest one counts.
    """

    def __init__(
        self,
        source: str,
        store: ObjectStore,
        clock: Clock,
        rng: random.Random,
        metrics: ProducerMetrics,
        log: Logger,
    ) -> None:
        self._source = source
        self._store = store
        self._clock = clock
        self._rng = rng
        self._metrics = metrics
        self._log = log
        self._outcomes: deque[bool] = deque(maxlen=WINDOW)
        self._until = ""
        self._looked = float("-inf")

    def cooling_until(self) -> str | None:
        """Return the end of the cool-down, in text form; None while the source may be asked."""
        if self._clock.monotonic() - self._looked >= LOOK_SECONDS:
            self._look()
        cooling = self._until > to_text(self._clock.now())
        self._metrics.source_cooling.labels(self._source).set(cooling)
        return self._until if cooling else None

    def note(self, error: SourceError | None) -> None:
        """Take in the outcome of one call; NoData is a clear answer, a used-up quota no call at all."""
        if isinstance(error, QuotaExhausted):
            return
        self._outcomes.append(error is None or isinstance(error, NoData))
        failed = self._outcomes.count(False)
        if isinstance(error, RateLimited):
            self._trip(error.reason)
        elif len(self._outcomes) >= LEAST_CALLS and failed >= FAILURE_RATIO * len(self._outcomes):
            self._trip(f"{failed} of the last {len(self._outcomes)} calls failed, the last: {error}")

    def _trip(self, reason: str) -> None:
        seconds = COOLDOWN_SECONDS * (1 + self._rng.random() / 2)
        self._outcomes.clear()
        self._until = max(self._until, to_text(self._clock.now() + timedelta(seconds=seconds)))
        self._metrics.source_cooldowns.labels(self._source).inc()
        self._log.warning("source_cools_down", source=self._source, until=self._until, reason=reason)
        record = msgspec.json.encode({"source": self._source, "reason": reason}) + b"\n"
        try:
            self._store.create(layout.cooldown(self._source, self._until), record)
        except ObjectExists:
            pass
        except Unavailable as error:
            self._log.warning("state_not_written", source=self._source, detail=str(error))

    def _look(self) -> None:
        self._looked = self._clock.monotonic()
        prefix, now = layout.cooldown_prefix(self._source), to_text(self._clock.now())
        try:
            for info in self._store.list(prefix):
                until = info.key.removeprefix(prefix).removesuffix(".json")
                if until > now:
                    self._until = max(self._until, until)
                else:
                    self._store.delete(info.key)
        except Unavailable as error:
            self._log.warning("state_not_read", source=self._source, detail=str(error))
