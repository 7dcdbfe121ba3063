"""Whether a program's main loop still comes round."""

import threading
from datetime import datetime

from stockpipe.common.clock import Clock


class WatchedClock:
    """A clock that knows when the loop that runs on it last came round.

    A loop that asks for the time or waits on purpose is alive, also while what it depends on is down. Only the thread
    that made the clock counts: its helpers may live on while it hangs.
    """

    def __init__(self, clock: Clock, stall_seconds: float) -> None:
        self._clock = clock
        self._stall_seconds = stall_seconds
        self._loop = threading.get_ident()
        self.alive()

    def alive(self, waits: float = 0.0) -> None:
        """Note that the loop came round and will again after it has waited for `waits` seconds."""
        if threading.get_ident() == self._loop:
            self._due = self._clock.monotonic() + max(0.0, waits) + self._stall_seconds

    @property
    def overdue_seconds(self) -> float:
        """Return for how long the loop has been stalled; 0 while it isn't."""
        return max(0.0, self._clock.monotonic() - self._due)

    def now(self) -> datetime:
        self.alive()
        return self._clock.now()

    def monotonic(self) -> float:
        self.alive()
        return self._clock.monotonic()

    def wait(self, seconds: float, stop: threading.Event) -> bool:
        self.alive(seconds)
        return self._clock.wait(seconds, stop)
