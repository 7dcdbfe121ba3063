"""A source with what decides whether, and how often, it may be asked."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from stockpipe.common.metrics import ProducerMetrics
from stockpipe.producer.sources.errors import BadPayload, SourceError
from stockpipe.producer.sources.health import Health
from stockpipe.producer.sources.meter import Meter
from stockpipe.producer.sources.refused_payloads import RefusedPayloads

S = TypeVar("S")
T = TypeVar("T")
Skip = Literal["busy", "cooling_down", "no_quota"]
Run = Callable[[Callable[[], T]], "Future[T]"]


@dataclass
class Line(Generic[S]):
    """One source of a failover order. A source inside this machine has the last three not."""

    name: str
    source: S
    health: Health | None = None
    meter: Meter | None = None
    refused: RefusedPayloads | None = None

    def skip(self, metrics: ProducerMetrics) -> tuple[Skip, str] | None:
        """Return why the source isn't asked now, in a word and in words; None if it may be."""
        found: tuple[Skip, str] | None = None
        if self.health is not None and (until := self.health.cooling_until()):
            found = "cooling_down", f"cools down until {until}"
        elif self.left == 0:
            found = "no_quota", "its budget is used up"
        if found:
            metrics.source_skips.labels(self.name, found[0]).inc()
        return found

    @property
    def cools_down(self) -> bool:
        """Return whether the source rests after too many failures."""
        return self.health is not None and self.health.cooling_until() is not None

    @property
    def left(self) -> int:
        """Return how many calls its budget still allows."""
        return 2**31 if self.meter is None else self.meter.left()

    def note(self, error: SourceError | None, metrics: ProducerMetrics) -> None:
        """Take in the outcome of one call."""
        if error is not None:
            metrics.fetch_failures.labels(self.name, type(error).__name__).inc()
        if self.health is not None:
            self.health.note(error)
        if self.refused is not None and isinstance(error, BadPayload) and error.body:
            self.refused.keep(error)


def run_here(job: Callable[[], T]) -> "Future[T]":
    """Run the job now and return its result."""
    future: Future[T] = Future()
    _finish(future, job)
    return future


def run_aside(job: Callable[[], T]) -> "Future[T]":
    """Run the job in a thread that doesn't keep the process from ending."""
    future: Future[T] = Future()
    threading.Thread(target=_finish, args=(future, job), daemon=True).start()
    return future


def _finish(future: "Future[T]", job: Callable[[], T]) -> None:
    try:
        future.set_result(job())
    except BaseException as error:
        future.set_exception(error)
