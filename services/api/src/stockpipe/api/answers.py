"""Answers made from the warehouse: kept until new rows are loaded, with an ETag by which a client keeps them too."""

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from anyio import to_thread
from cachetools import LRUCache
from fastapi import Request
from starlette.datastructures import QueryParams
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from stockpipe.api.access import BEARER, require_reader
from stockpipe.api.formats import encode_table, negotiate
from stockpipe.api.news import News
from stockpipe.api.problems import ApiProblem, told
from stockpipe.api.warehouse import Warehouse
from stockpipe.common.errors import Unavailable
from stockpipe.common.metrics import ApiMetrics
from stockpipe.common.warehouse.reader import WarehouseReader

ASKED = 10_000
"""Questions whose parameters are known to be good."""
_OVERHEAD = 512
"""Bytes that keeping an answer costs besides its own, about."""
_Question = tuple[str, bytes, str]
"""Path, query and `Accept` of a request."""
Rows = tuple[pa.Table, Mapping[str, Any]]
"""Rows, and what else the JSON of an answer says; its `next` is the cursor of the next page."""


@dataclass(frozen=True)
class _Asked:
    """A question that was answered: what its answer depends on, and its route, for the metrics."""

    databases: tuple[str, ...]
    media: str
    route: Any


class Answers:
    """Makes each answer, of routes that every reader may ask, once for each state of the databases that it comes from.

    An ETag may be older than what it stands for, by one poll, but never newer: so no client keeps rows that it should
    not, it only asks once too often.
    """

    def __init__(self, warehouse: Warehouse, news: News, cache_bytes: int, metrics: ApiMetrics) -> None:
        self._warehouse = warehouse
        self._news = news
        self._cache: LRUCache[str, Response] = LRUCache(cache_bytes, getsizeof=_size)
        self._making: dict[str, asyncio.Task[Response]] = {}
        self._asked: LRUCache[_Question, _Asked] = LRUCache(ASKED)
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

        def make() -> tuple[bytes, str | None]:
            rows, about = produce()
            return encode_table(rows, media, about), about.get("next")

        return await self.cached(request, databases, media, make)

    async def cached(
        self,
        request: Request,
        databases: tuple[str, ...],
        media: str,
        make: Callable[[], tuple[bytes, str | None]],
    ) -> Response:
        """Answer with what `make` returns, bytes and the next page's cursor, made in a thread if it isn't there yet."""
        tag = self._tag(_question(request), databases, media)
        if f'"{tag}"' in request.headers.get("if-none-match", ""):
            return self._not_modified(tag)
        kept = self._cache.get(tag)
        self._metrics.cache.labels("miss" if kept is None else "hit").inc()
        if kept is None:
            kept = await self._made(tag, media, make, request)
            self._asked[_question(request)] = _Asked(databases, media, request.scope["route"])
        return kept

    def again(self, request: Request) -> Response | None:
        """Answer what was asked before in just these words and is still kept; None otherwise."""
        question = _question(request)
        asked = self._asked.get(question)
        if asked is None:
            return None
        tag = self._tag(question, asked.databases, asked.media)
        kept = self._cache.get(tag)
        if kept is None:
            return None
        request.scope["route"] = asked.route
        if f'"{tag}"' in request.headers.get("if-none-match", ""):
            return self._not_modified(tag)
        self._metrics.cache.labels("hit").inc()
        return kept

    def _not_modified(self, tag: str) -> Response:
        self._metrics.cache.labels("not_modified").inc()
        return Response(status_code=304, headers=_headers(tag))

    def _tag(self, question: _Question, databases: tuple[str, ...], media: str) -> str:
        path, query, _accept = question
        tokens = "".join([self._news.token(database) for database in databases])
        return hashlib.sha256(f"{tokens} {media} {path}?".encode() + query).hexdigest()[:32]

    async def _made(
        self, tag: str, media: str, make: Callable[[], tuple[bytes, str | None]], request: Request
    ) -> Response:
        """Make it once, whoever else asks meanwhile."""

        async def fill() -> Response:
            body, cursor = await to_thread.run_sync(make)
            link = {} if cursor is None else {"Link": _link(request, cursor)}
            kept = Response(body, headers=_headers(tag) | link, media_type=media)
            if _size(kept) <= self._cache.maxsize:
                self._cache[tag] = kept
            return kept

        if tag not in self._making:
            self._making[tag] = asyncio.create_task(fill())
            self._making[tag].add_done_callback(lambda _task: self._making.pop(tag))
        return await asyncio.shield(self._making[tag])


class KeptFirst:
    """Answers from what is kept before parameters are read and checked: they were good when it was made.

    Who calls, and whether they may, is asked all the same.
    """

    def __init__(self, app: ASGIApp, answers: Answers) -> None:
        self._app = app
        self._answers = answers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        answer = self._answers.again(request)
        if answer is None:
            await self._app(scope, receive, send)
            return
        try:
            await require_reader(request, await BEARER(request))
        except (ApiProblem, Unavailable) as error:
            answer = told(request, error)
        await answer(scope, receive, send)


def _size(answer: Response) -> int:
    return len(answer.body) + _OVERHEAD


def _question(request: Request) -> _Question:
    return request.scope["path"], request.scope["query_string"], request.headers.get("accept", "*/*")


def _headers(tag: str) -> dict[str, str]:
    return {"ETag": f'"{tag}"', "Cache-Control": "private, no-cache", "Vary": "Accept, Authorization"}


def _link(request: Request, cursor: str) -> str:
    query = QueryParams({**request.query_params, "cursor": cursor})
    return f'<{request.url.path}?{query}>; rel="next"'
