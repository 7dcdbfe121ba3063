import threading
from datetime import UTC, datetime, timedelta


class ManualClock:
    """A clock that moves only when told, or by what is waited for."""

    def __init__(self, now: datetime = datetime(2026, 11, 23, 14, 30, tzinfo=UTC)) -> None:
        self._now = now
        self._monotonic = 0.0
        self.waits: list[float] = []

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def wait(self, seconds: float, stop: threading.Event) -> bool:
        self.waits.append(seconds)
        self.advance(seconds)
        return stop.is_set()

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=max(0.0, seconds))
        self._monotonic += max(0.0, seconds)
