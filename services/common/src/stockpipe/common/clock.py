"""The only place that reads the wall clock; everything else is given a Clock."""

import threading
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Time as a dependency, so that tests can hold it."""

    def now(self) -> datetime:
        """Return the current time, UTC, time zone attached."""
        ...

    def monotonic(self) -> float:
        """Return seconds since an arbitrary start; never goes back."""
        ...

    def wait(self, seconds: float, stop: threading.Event) -> bool:
        """Wait until `stop` is set or `seconds` passed; return whether `stop` is set."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def wait(self, seconds: float, stop: threading.Event) -> bool:
        return stop.wait(max(0.0, seconds))
