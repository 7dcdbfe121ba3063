"""One look for new batches per process: from it follow the cache's state and what the stream's clients are told."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec
from anyio import to_thread

from stockpipe.api.board import SymbolNow, read_board
from stockpipe.api.warehouse import Warehouse
from stockpipe.common.errors import PipelineError, Unavailable
from stockpipe.common.logs import Logger
from stockpipe.common.metrics import ApiMetrics
from stockpipe.common.warehouse.ledger import DATABASES, loaded_batches
from stockpipe.common.warehouse.reader import WarehouseReader

LEDGER_ROWS = 100
"""Newest batches of a database that are looked at; a poll that finds more new ones tells only of these."""
QUEUED = 16
"""Events a client may be behind; a slower one is sent away and gets the whole state when it comes again."""
HEARTBEAT_SECONDS = 15.0


class LoadedBatch(msgspec.Struct, frozen=True, kw_only=True):
    """A batch that the warehouse has."""

    dataset: str
    batch_id: str
    rows: int
    loaded_at: datetime


@dataclass
class State:
    """What the last look found."""

    batches: dict[str, list[LoadedBatch]] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    symbols: dict[str, SymbolNow] = field(default_factory=dict)


class News:
    """Looks at LOADED_BATCHES every `seconds` and tells the clients of the stream; none of them costs a query."""

    def __init__(self, warehouse: Warehouse, seconds: float, metrics: ApiMetrics, log: Logger) -> None:
        self._warehouse = warehouse
        self._seconds = seconds
        self._metrics = metrics
        self._log = log
        self._clients: set[asyncio.Queue[bytes | None]] = set()
        self._stopping = asyncio.Event()
        self.state: State | None = None

    def token(self, database: str) -> str:
        """Return what changes with every batch that is loaded into the database.

        Raises:
            Unavailable: no look has succeeded yet.
        """
        return self._known().tokens[database]

    def symbols(self) -> dict[str, SymbolNow]:
        """Return all symbols as of the last look.

        Raises:
            Unavailable: no look has succeeded yet.
        """
        return self._known().symbols

    def batches(self) -> list[LoadedBatch]:
        """Return the newest batches, newest first.

        Raises:
            Unavailable: no look has succeeded yet.
        """
        found = [batch for batches in self._known().batches.values() for batch in batches]
        return sorted(found, key=lambda batch: batch.loaded_at, reverse=True)

    async def run(self) -> None:
        """Look again and again until `stop`; what fails is logged, counted and tried again."""
        while not self._stopping.is_set():
            try:
                await self.look()
            except PipelineError as error:
                self._metrics.polls_failed.inc()
                self._log.warning("poll_failed", error=str(error), retry_seconds=self._seconds)
            except Exception:
                self._metrics.polls_failed.inc()
                self._log.exception("poll_failed", retry_seconds=self._seconds)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), self._seconds)

    async def look(self) -> None:
        """Look once, and tell what is new.

        Raises:
            PipelineError: the warehouse can't be reached or read.
        """
        self.tell(await to_thread.run_sync(self._read, self.state))

    def tell(self, now: State) -> None:
        """Make `now` the state and tell the clients what is new in it."""
        before, self.state = self.state, now
        if before is None or now is before:
            return
        known = {batch for batches in before.batches.values() for batch in batches}
        batches = [batch for batch in self.batches() if batch not in known]
        symbols = [symbol for name, symbol in now.symbols.items() if symbol != before.symbols.get(name)]
        for event in (_event("batches", batches), _event("symbols", symbols)):
            self._send(event)

    def stop(self) -> None:
        """End every stream and the looking."""
        self._stopping.set()
        for client in self._clients:
            self._end(client)

    def is_full(self, most: int) -> bool:
        """Return whether `most` clients listen already."""
        return len(self._clients) >= most

    async def listen(self) -> AsyncGenerator[bytes]:
        """Yield the state, then what is new, as server-sent events, until the client or the process ends."""
        queue: asyncio.Queue[bytes | None] = asyncio.Queue(QUEUED)
        queue.put_nowait(b"retry: 2000\n\n" + _event("symbols", list(self.symbols().values())))
        if self._stopping.is_set():
            return
        self._clients.add(queue)
        self._metrics.stream_clients.set(len(self._clients))
        try:
            while True:
                try:
                    event = await asyncio.wait_for(queue.get(), HEARTBEAT_SECONDS)
                except TimeoutError:
                    event = b": still here\n\n"
                if event is None:
                    return
                yield event
        finally:
            self._clients.discard(queue)
            self._metrics.stream_clients.set(len(self._clients))

    def _known(self) -> State:
        if self.state is None:
            raise Unavailable("the warehouse has not been read yet")
        return self.state

    def _read(self, before: State | None) -> State:
        with self._warehouse.newest() as reader:
            now = State()
            for database in DATABASES:
                now.batches[database] = _ledger(reader, database)
                now.tokens[database] = hashlib.sha256(msgspec.json.encode(now.batches[database])).hexdigest()
            if before is not None and now.tokens == before.tokens:
                return before
            self._warehouse.renew()
            now.symbols = read_board(reader)
        for database, batches in now.batches.items():
            if batches:
                self._metrics.newest_batch.labels(database).set(batches[0].loaded_at.timestamp())
        return now

    def _send(self, event: bytes) -> None:
        for client in list(self._clients):
            try:
                client.put_nowait(event)
            except asyncio.QueueFull:
                self._end(client)

    @staticmethod
    def _end(client: asyncio.Queue[bytes | None]) -> None:
        while client.full():
            client.get_nowait()
        client.put_nowait(None)


def _ledger(reader: WarehouseReader, database: str) -> list[LoadedBatch]:
    found = reader.query(
        f'SELECT dataset, batch_id, "rows", loaded_at FROM {reader.qualified(loaded_batches(database))} '
        f"ORDER BY loaded_at DESC, batch_id DESC LIMIT {LEDGER_ROWS}"
    ).rename_columns(["dataset", "batch_id", "rows", "loaded_at"])
    return [LoadedBatch(**row | {"loaded_at": row["loaded_at"].replace(tzinfo=UTC)}) for row in found.to_pylist()]


def _event(name: str, items: list[Any]) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + msgspec.json.encode(items) + b"\n\n"
