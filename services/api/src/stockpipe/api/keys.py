"""API keys: a hash in the lake for each, so that every replica knows a new one and a revoked one at once."""

import asyncio
import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from typing import Literal

import msgspec
from anyio import to_thread

from stockpipe.common.clock import Clock
from stockpipe.common.errors import PipelineError
from stockpipe.common.lake import layout
from stockpipe.common.lake.store import ObjectMissing, ObjectStore
from stockpipe.common.times import to_text

Role = Literal["reader", "operator"]

_KEY = re.compile(r"sp_([0-9a-f]{8})_[A-Za-z0-9_-]{43}")
_MISPLACED = re.compile(r"(sp_[0-9a-f]{8}_|eyJ)[\w.-]+")


class KeyRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What the lake knows of a key; `sha256` is of the whole key, which has 256 random bits and so needs no salt."""

    id: str
    name: str
    role: Role
    sha256: str
    created_at: str


class ApiKeys:
    """The keys that are admitted."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def create(
        self, name: str, role: Role, clock: Clock, token: Callable[[int], bytes] = secrets.token_bytes
    ) -> tuple[KeyRecord, str]:
        """Admit a new key and return it; nobody can find it out again."""
        identity = token(4).hex()
        key = f"sp_{identity}_{_base64(token(32))}"
        record = KeyRecord(id=identity, name=name, role=role, sha256=_hash(key), created_at=to_text(clock.now()))
        self._store.create(layout.api_key(identity), msgspec.json.encode(record))
        return record, key

    def find(self, key: str) -> KeyRecord | None:
        """Return what is known of a key, None if it isn't admitted; the lake is asked each time.

        Raises:
            Unavailable: the lake can't be reached.
        """
        match = _KEY.fullmatch(key)
        if match is None:
            return None
        try:
            record = msgspec.json.decode(self._store.get(layout.api_key(match[1])), type=KeyRecord)
        except ObjectMissing:
            return None
        return record if hmac.compare_digest(record.sha256, _hash(key)) else None

    def list(self) -> list[KeyRecord]:
        """Return all keys, oldest first."""
        found = [
            msgspec.json.decode(self._store.get(info.key), type=KeyRecord) for info in self._store.list(layout.API_KEYS)
        ]
        return sorted(found, key=lambda record: record.created_at)

    def revoke(self, identity: str) -> KeyRecord:
        """Refuse a key from now on.

        Raises:
            PipelineError: there is no such key.
        """
        try:
            record = msgspec.json.decode(self._store.get(layout.api_key(identity)), type=KeyRecord)
        except ObjectMissing:
            raise PipelineError(f"no key has the id {identity!r}; `stockpipe-api keys list` lists them") from None
        self._store.delete(layout.api_key(identity))
        return record


class SharedLooks:
    """Finds keys for many requests at once: one look serves all that came before it began, and none that came later."""

    def __init__(self, keys: ApiKeys) -> None:
        self._keys = keys
        self._looking: dict[str, asyncio.Task[KeyRecord | None]] = {}
        self._next: dict[str, asyncio.Task[KeyRecord | None]] = {}

    async def find(self, key: str) -> KeyRecord | None:
        """See `ApiKeys.find`.

        Raises:
            Unavailable: the lake can't be reached.
        """
        if key not in self._next:
            self._next[key] = asyncio.create_task(self._look(key, self._looking.get(key)))
        return await asyncio.shield(self._next[key])

    async def _look(self, key: str, before: asyncio.Task[KeyRecord | None] | None) -> KeyRecord | None:
        if before is not None:
            await asyncio.wait([before])
        self._looking[key] = looking = self._next.pop(key)
        try:
            return await to_thread.run_sync(self._keys.find, key)
        finally:
            if self._looking[key] is looking:
                del self._looking[key]


def without_secrets(text: str) -> str:
    """Return the text without keys and tokens, which callers put into paths and parameters by mistake."""
    return _MISPLACED.sub(r"\1…", text)


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
