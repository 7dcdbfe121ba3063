"""An object store in memory. Its time is the test's; at a write it can kill the program, or let another one run."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from stockpipe.common.lake.store import ObjectExists, ObjectInfo, ObjectMissing


class Killed(BaseException):
    """The process died; nothing after this ran."""


class MemoryStore:
    url = "memory://lake"

    def __init__(self, now: datetime = datetime(2026, 11, 23, tzinfo=UTC)) -> None:
        self.now = now
        self.objects: dict[str, tuple[bytes, datetime]] = {}
        self.writes = 0
        self._lock = threading.Lock()
        self.before_write: Callable[[int], None] | None = None
        """Called with the number of the write (of creates and deletes, from 0) that is about to happen."""

    def spark_url(self, key: str) -> str:
        return f"{self.url}/{key}"

    def create(self, key: str, data: bytes) -> None:
        self._write()
        with self._lock:
            if key in self.objects:
                raise ObjectExists(f"object {key} exists already")
            self.objects[key] = data, self.now

    def get(self, key: str) -> bytes:
        if key not in self.objects:
            raise ObjectMissing(f"object {key} is missing")
        return self.objects[key][0]

    def list(self, prefix: str, *, after: str = "") -> Iterator[ObjectInfo]:
        for key in sorted(self.objects):
            if key.startswith(prefix) and key > after and key in self.objects:
                data, modified = self.objects[key]
                yield ObjectInfo(key, len(data), modified)

    def delete(self, key: str) -> None:
        self._write()
        self.objects.pop(key, None)

    def _write(self) -> None:
        number, self.writes = self.writes, self.writes + 1
        if self.before_write:
            self.before_write(number)

    def kill_at(self, number: int) -> None:
        """Die before the write `number`, counted from now."""
        last = self.writes + number

        def kill(now: int) -> None:
            if now >= last:
                raise Killed

        self.before_write = kill

    def at(self, number: int, act: Callable[[], None]) -> None:
        """Do `act` once, before the write `number`, counted from now."""
        when = self.writes + number

        def once(now: int) -> None:
            if now >= when:
                self.before_write = None
                act()

        self.before_write = once
