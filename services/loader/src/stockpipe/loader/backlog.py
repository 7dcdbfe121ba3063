"""What `watch` still has to load: found in the lake, not yet recorded in the warehouse, or to be tried again."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from stockpipe.common.contracts.manifests import DatasetName


class BatchRef(NamedTuple):
    """A batch by its id and dataset; ids begin with their time, so references sort oldest first."""

    batch_id: str
    dataset: DatasetName


@dataclass(frozen=True)
class _Failed:
    times: int
    due: float


class Backlog:
    """Batches to load. Times are seconds of a clock that never goes back."""

    def __init__(self, retry_seconds: float, retry_max_seconds: float) -> None:
        self._retry_seconds = retry_seconds
        self._retry_max_seconds = retry_max_seconds
        self._open: dict[BatchRef, _Failed | None] = {}
        self._loaded: set[BatchRef] = set()

    def found(self, listed: Iterable[BatchRef]) -> None:
        """Add the listed batches that aren't known as loaded, and forget loaded ones that are no longer listed."""
        listed = set(listed)
        self._loaded &= listed
        for ref in listed - self._loaded:
            self._open.setdefault(ref, None)

    def recorded(self, loaded: set[BatchRef]) -> None:
        """Take over which batches the warehouse has: what this process believed before counts no more."""
        for ref in self._loaded - loaded:
            self._open.setdefault(ref, None)
        self._loaded = loaded
        for ref in loaded & self._open.keys():
            del self._open[ref]

    def done(self, ref: BatchRef) -> None:
        """Note that the batch is in the warehouse."""
        self._open.pop(ref, None)
        self._loaded.add(ref)

    def failed(self, ref: BatchRef, now: float) -> float:
        """Note a failed try and return the seconds until the next."""
        before = self._open.get(ref)
        times = before.times + 1 if before else 1
        wait = min(self._retry_seconds * 2.0 ** min(times - 1, 32), self._retry_max_seconds)
        self._open[ref] = _Failed(times, now + wait)
        return wait

    def due(self, now: float) -> list[BatchRef]:
        """Return the batches to try now, oldest first."""
        return sorted(ref for ref, failed in self._open.items() if failed is None or failed.due <= now)
