"""The rate limit: a bucket of tokens for each caller, filled at a steady rate."""

from cachetools import LRUCache

from stockpipe.common.clock import Clock

CALLERS = 10_000
"""Callers that are remembered; the one that was silent longest is forgotten first, with a full bucket."""


class RateLimit:
    """Admits `per_minute` requests a minute of each caller, the first minute's all at once if need be; 0 admits all."""

    def __init__(self, per_minute: int, clock: Clock) -> None:
        self._capacity = float(per_minute)
        self._per_second = per_minute / 60
        self._clock = clock
        self._buckets: LRUCache[str, tuple[float, float]] = LRUCache(CALLERS)

    def take(self, caller: str) -> float:
        """Take one request of `caller` and return 0, or return the seconds until it has one."""
        wait = self.seconds_to_wait(caller)
        if not wait and self._capacity:
            self._buckets[caller] = self._left(caller) - 1, self._clock.monotonic()
        return wait

    def seconds_to_wait(self, caller: str) -> float:
        """Return the seconds until `caller` has a request, 0 if it has one."""
        if not self._capacity:
            return 0.0
        return max(0.0, (1 - self._left(caller)) / self._per_second)

    def _left(self, caller: str) -> float:
        now = self._clock.monotonic()
        left, at = self._buckets.get(caller, (self._capacity, now))
        return min(self._capacity, left + (now - at) * self._per_second)
