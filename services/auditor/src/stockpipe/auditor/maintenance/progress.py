"""A line now and then while a long run goes on."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from stockpipe.common.clock import Clock
from stockpipe.common.logs import Logger

T = TypeVar("T")
_SECONDS = 10.0


class Progress:
    """Logs what is being done and how far it has come, every ten seconds at most."""

    def __init__(self, clock: Clock, log: Logger) -> None:
        self._clock = clock
        self._log = log
        self._last = clock.monotonic()

    def over(self, doing: str, items: Iterable[T]) -> Iterator[T]:
        """Yield the items and count them."""
        for count, item in enumerate(items, 1):
            yield item
            now = self._clock.monotonic()
            if now - self._last >= _SECONDS:
                self._last = now
                self._log.info("progress", doing=doing, done=count)
