"""Flushes in a thread of their own, so that reading goes on meanwhile."""

from collections.abc import Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from stockpipe.common.clock import Clock
from stockpipe.common.contracts.manifests import RawManifest
from stockpipe.common.errors import Unavailable
from stockpipe.consumer.buffer import PartitionBuffer
from stockpipe.consumer.flush import Flusher


@dataclass(frozen=True)
class Written:
    """A buffer that is durable, the commit record of its start, whether that is ours, and how many seconds it took."""

    buffer: PartitionBuffer
    manifest: RawManifest
    ours: bool
    seconds: float


class Writer:
    """Writes one set of buffers at a time, in their order, and stops at the first that can't be written.

    `unwritten` are the buffers that were handed over and aren't known to be durable.
    """

    def __init__(self, flusher: Flusher, clock: Clock) -> None:
        self._flusher = flusher
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, "writer")
        self._running: Future[None] | None = None
        self._began = 0.0
        self._written: list[Written] = []
        self.unwritten: list[PartitionBuffer] = []

    def start(self, buffers: Sequence[PartitionBuffer]) -> None:
        """Begin to write buffers; those before must be finished."""
        self.unwritten += buffers
        if not self.unwritten:
            return
        self._began = self._clock.monotonic()
        self._running = self._thread.submit(self._write, list(self.unwritten))

    def is_running(self, at_most: float) -> bool:
        """Return whether a set is being written, for no longer than so many seconds."""
        return (
            self._running is not None and not self._running.done() and self._clock.monotonic() - self._began < at_most
        )

    def finish(self) -> tuple[list[Written], Unavailable | None]:
        """Wait for the set that is being written, or try it again if it failed.

        Returns:
            what became durable since the last call, and why the rest didn't; the rest stays in `unwritten`.
        """
        if self._running is None:
            self.start([])
        failure = None
        if self._running is not None:
            try:
                self._running.result()
            except Unavailable as error:
                failure = error
            self._running = None
        written, self._written = self._written, []
        del self.unwritten[: len(written)]
        return written, failure

    def drop(self, partitions: Collection[int]) -> None:
        """Forget what isn't written of these partitions; nothing may be running."""
        self.unwritten = [buffer for buffer in self.unwritten if buffer.partition not in partitions]

    def close(self) -> None:
        """Wait for what is being written and forget the rest."""
        self._thread.shutdown()
        self._running, self.unwritten = None, []

    def _write(self, buffers: Sequence[PartitionBuffer]) -> None:
        for buffer in buffers:
            began = self._clock.monotonic()
            manifest, ours = self._flusher.flush(buffer)
            self._written.append(Written(buffer, manifest, ours, self._clock.monotonic() - began))
