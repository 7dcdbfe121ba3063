"""Every HTTP request to a source passes here: allowed by the budget before, counted after."""

from stockpipe.common.metrics import ProducerMetrics
from stockpipe.producer.sources.budget import Budget


class Meter:
    """Allows and counts requests, not calls: a client library may send several for one call.

    `patience` is how many seconds a request may wait for its turn.
    """

    def __init__(self, source: str, budget: Budget, metrics: ProducerMetrics, patience: float) -> None:
        self._source = source
        self._budget = budget
        self._metrics = metrics
        self.patience = patience
        self.requests = 0
        if budget.limit is not None:
            metrics.quota_limit.labels(source).set(budget.limit)

    def before(self) -> None:
        """Take one call of the budget.

        Raises:
            QuotaExhausted: none is to be had within `patience`.
        """
        self._budget.acquire(self.patience)
        self.requests += 1

    def after(self, status: int | None) -> None:
        """Count a request by the HTTP status of its answer, None where none came."""
        self._metrics.source_calls.labels(self._source, str(status or "error")).inc()
        self._metrics.quota_remaining.labels(self._source).set(self._budget.left())

    def left(self) -> int:
        """Return how many requests the longest window still allows."""
        left = self._budget.left()
        self._metrics.quota_remaining.labels(self._source).set(left)
        return left
