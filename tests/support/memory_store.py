"""An object store in memory, for tests of many small steps; the real ones have tests of their own."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime

from stockpipe.common.lake.store import ObjectExists, ObjectInfo, ObjectMissing


class MemoryStore:
    """Objects in a dictionary."""

    url = "memory://"

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def spark_url(self, key: str) -> str:
        raise NotImplementedError("Spark doesn't read this store")

    def create(self, key: str, data: bytes) -> None:
        with self._lock:
            if key in self.objects:
                raise ObjectExists(f"object {key} exists already")
            self.objects[key] = data

    def get(self, key: str) -> bytes:
        if key not in self.objects:
            raise ObjectMissing(f"object {key} is missing")
        return self.objects[key]

    def list(self, prefix: str, *, after: str = "") -> Iterator[ObjectInfo]:
        for key in sorted(self.objects):
            if key.startswith(prefix) and key > after:
                yield ObjectInfo(key, len(self.objects[key]), datetime(2026, 11, 23, tzinfo=UTC))

    def delete(self, key: str) -> None:
        self.objects.pop(key, None)
