"""Answers made from the warehouse: kept until new rows are loaded, with an ETag by which a client keeps them too."""

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa
from anyio import to_thread
from cachetools import LRUCache
from fastapi import Request
from starlette.datastructures import QueryParams
from starlette.responses import Response

from stockpipe.api.formats import encode_table, negotiate
from stockpipe.api.news import News
from stockpipe.api.warehouse import Warehouse
from stockpipe.common.metrics import ApiMetrics
from stockpipe.common.warehouse.reader import WarehouseReader

Body = tuple[bytes, str | None]
"""Bytes of an answer, and the cursor of the next page."""
Rows = tuple[pa.Table, Mapping[str, Any]]
"""Rows, and what else the JSON of an answer says; its `next` is the cursor of the next page."""


class Answers:
    """Makes each answer once for each state of the databases that it is made from.

    An ETag may be older than what it stands for, by one poll, but never newer: so no client keeps rows that it should
    not, it only asks once too often.
    """

    def __init__(self, warehouse: Warehouse, news: News, cache_bytes: int, metrics: ApiMetrics) -> None:
        self._warehouse = warehouse
        self._news = news
        self._cache: LRUCache[str, Body] = LRUCache(cache_bytes, getsizeof=lambda body: len(body[0]) + 512)
        self._making: dict[str, asyncio.Future[Body]] = {}
        self._metrics = metrics

    async def query(
        self, request: Request, databases: tuple[str, ...], produce: Callable[[WarehouseReader], Rows]
    ) -> Response:
        """Answer with rows of the warehouse in the format that the client asks for.

        Args:
            request: the request; its path and query say what is asked.
            databases: those that the answer depends on.
            produce: makes the rows; run in a thread.
        """

        def lent() -> Rows:
            with self._warehouse.reader() as reader:
                return produce(reader)

        return await self.rows(request, databases, lent)

    async def rows(self, request: Request, databases: tuple[str, ...], produce: Callable[[], Rows]) -> Response:
        """Answer with rows that need no reader; see `query`."""
        media = negotiate(request.headers.get("accept", "*/*"))

        def make() -> Body:
            rows, about = produce()
            return encode_table(rows, media, about), about.get("next")

        return await self.cached(request, databases, media, make)

    async def cached(
        self, request: Request, databases: tuple[str, ...], media: str, make: Callable[[], Body]
    ) -> Response:
        """Answer with what `make` returns, made in a thread if this state's isn't there yet."""
        url = request.url.path + "?" + request.url.query
        tokens = [self._news.token(database) for database in databases]
        tag = hashlib.sha256("\n".join([*tokens, media, url]).encode()).hexdigest()[:32]
        headers = {"ETag": f'"{tag}"', "Cache-Control": "private, no-cache", "Vary": "Accept, Authorization"}
        if f'"{tag}"' in request.headers.get("if-none-match", ""):
            self._metrics.cache.labels("not_modified").inc()
            return Response(status_code=304, headers=headers)
        body = self._cache.get(tag)
        self._metrics.cache.labels("miss" if body is None else "hit").inc()
        if body is None:
            body = await self._make(tag, make)
        if body[1] is not None:
            headers["Link"] = f'<{request.url.path}?{_next_query(request, body[1])}>; rel="next"'
        return Response(body[0], headers=headers, media_type=media)

    async def _make(self, tag: str, make: Callable[[], Body]) -> Body:
        """Make it once, whoever else asks meanwhile."""
        if tag in self._making:
            return await asyncio.shield(self._making[tag])
        future = self._making[tag] = asyncio.get_running_loop().create_future()
        try:
            body = await to_thread.run_sync(make)
        except BaseException as error:
            future.set_exception(error if isinstance(error, Exception) else asyncio.CancelledError())
            future.exception()
            raise
        else:
            future.set_result(body)
            if len(body[0]) + 512 <= self._cache.maxsize:
                self._cache[tag] = body
            return body
        finally:
            del self._making[tag]


def _next_query(request: Request, cursor: str) -> str:
    return str(QueryParams({**request.query_params, "cursor": cursor}))
