"""The object store that every stage writes to: objects are created once and never changed."""

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from stockpipe.common.errors import ConfigError, PipelineError, Unavailable


class ObjectExists(PipelineError):
    """The key already holds an object; nothing was written."""


class ObjectMissing(PipelineError):
    """No object has the key."""


class ObjectDamaged(PipelineError):
    """The object's content isn't what was created."""


class StoreUnavailable(Unavailable):
    """The store can't be reached or is full; the same call may work later."""


class StoreRefused(ConfigError):
    """The store refuses access: credentials, permissions or a name are wrong."""


@dataclass(frozen=True)
class ObjectInfo:
    """What a listing tells of an object: `size` in bytes, `modified` in UTC."""

    key: str
    size: int
    modified: datetime


def is_key(text: str) -> bool:
    """Return whether an object may have this key: no part is empty or begins with a dot.

    Such names are left to others: Spark's checksums and a bucket browser's folders have them.
    """
    return all(part and not part.startswith(".") for part in text.split("/"))


def check_key(key: str) -> None:
    """Refuse what can't be a key.

    Raises:
        ValueError: `key` has a part that is empty or begins with a dot.
    """
    if not is_key(key):
        raise ValueError(f"{key!r} is not an object key: parts must not be empty nor begin with a dot")


class ObjectStore(Protocol):
    """Keys are relative, `/`-separated. Every call may raise StoreUnavailable or StoreRefused."""

    @property
    def url(self) -> str:
        """Return the URL that opened the store, for people and logs."""
        ...

    def spark_url(self, key: str) -> str:
        """Return the URL by which Spark reads or writes `key`."""
        ...

    def create(self, key: str, data: bytes) -> None:
        """Write a new object, whole or not at all, durable on return.

        Raises:
            ObjectExists: the key is taken. Of several writers at once exactly one succeeds.
        """
        ...

    def get(self, key: str) -> bytes:
        """Return the whole object.

        Raises:
            ObjectMissing: no such key.
            ObjectDamaged: the store knows that the content changed.
        """
        ...

    def list(self, prefix: str, *, after: str = "") -> Iterator[ObjectInfo]:
        """Yield the objects whose key begins with `prefix` and sorts after `after`, in key order."""
        ...

    def delete(self, key: str) -> None:
        """Remove the object; a missing key is no error."""
        ...


def create_content(store: ObjectStore, key: str, data: bytes) -> str:
    """Create an object with exactly this content and return its key.

    A crashed earlier try may have left an object under `key`. Equal content is taken over; other content
    (another program version wrote it) is left alone and ours gets a key that carries its hash.
    """
    try:
        store.create(key, data)
        return key
    except ObjectExists:
        if store.get(key) == data:
            return key
    stem, dot, suffix = key.rpartition(".")
    hashed = f"{stem}-{hashlib.sha256(data).hexdigest()[:12]}{dot}{suffix}"
    with suppress(ObjectExists):
        store.create(hashed, data)
    return hashed
