"""A store that can be made to fail."""

from collections.abc import Iterator

from stockpipe.common.lake.store import ObjectInfo, ObjectStore, StoreUnavailable


class FlakyStore:
    """Passes calls on to another store while `up`."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self.up = True

    @property
    def url(self) -> str:
        return self._store.url

    def spark_url(self, key: str) -> str:
        return self._store.spark_url(key)

    def create(self, key: str, data: bytes) -> None:
        self._require_up()
        self._store.create(key, data)

    def get(self, key: str) -> bytes:
        self._require_up()
        return self._store.get(key)

    def list(self, prefix: str, *, after: str = "") -> Iterator[ObjectInfo]:
        self._require_up()
        return self._store.list(prefix, after=after)

    def delete(self, key: str) -> None:
        self._require_up()
        self._store.delete(key)

    def _require_up(self) -> None:
        if not self.up:
            raise StoreUnavailable("the store is down")
