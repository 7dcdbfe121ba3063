"""The DLQ breaker: a wrong schema must not drain a whole topic into the DLQ."""

from collections import deque

WINDOW = 1000
SHARE = 0.5
AT_LEAST = 100


class Breaker:
    """Trips when more than half of the last 1,000 records were rejected, and at least 100."""

    def __init__(self) -> None:
        self._seen = 0
        self._rejected: deque[int] = deque()
        self.tripped = False

    def accept(self, count: int = 1) -> None:
        """Count accepted records."""
        self._seen += count

    def reject(self) -> None:
        """Count a rejected record."""
        self._seen += 1
        self._rejected.append(self._seen)
        while self._rejected[0] <= self._seen - WINDOW:
            self._rejected.popleft()
        count = len(self._rejected)
        if count >= AT_LEAST and count > SHARE * min(self._seen, WINDOW):
            self.tripped = True
