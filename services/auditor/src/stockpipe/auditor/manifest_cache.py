"""A store that remembers the manifests it has read: they never change, and an audit every minute reads many again."""

from collections.abc import Iterator
from functools import lru_cache

from stockpipe.common.lake.store import ObjectInfo, ObjectStore

MANIFESTS = 20_000
"""How many are remembered, those read last; some 2 KiB each."""


class ManifestCache:
    """Reads through to another store."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._manifest = lru_cache(MANIFESTS)(store.get)

    @property
    def url(self) -> str:
        return self._store.url

    def spark_url(self, key: str) -> str:
        return self._store.spark_url(key)

    def create(self, key: str, data: bytes) -> None:
        self._store.create(key, data)

    def get(self, key: str) -> bytes:
        return self._manifest(key) if "/_manifests/" in key else self._store.get(key)

    def list(self, prefix: str, *, after: str = "") -> Iterator[ObjectInfo]:
        return self._store.list(prefix, after=after)

    def delete(self, key: str) -> None:
        self._store.delete(key)
