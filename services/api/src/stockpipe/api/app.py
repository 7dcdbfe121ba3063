"""The application: its parts and routes put together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from anyio import to_thread
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from starlette.middleware.cors import CORSMiddleware
from starlette.staticfiles import StaticFiles

from stockpipe.api.access import Access
from stockpipe.api.answers import Answers, KeptFirst
from stockpipe.api.edge import Edge
from stockpipe.api.keys import ApiKeys
from stockpipe.api.limits import RateLimit
from stockpipe.api.news import News
from stockpipe.api.oidc import Provider
from stockpipe.api.problems import Problem, add_handlers
from stockpipe.api.routes import analytics, health, lineage, operations, page, portfolio, series, symbols
from stockpipe.api.routes.operations import HOME_EXCHANGE
from stockpipe.api.settings import ServeSettings
from stockpipe.api.warehouse import OpenReader, Warehouse
from stockpipe.common.calendar import is_open
from stockpipe.common.clock import Clock
from stockpipe.common.lake.store import ObjectStore
from stockpipe.common.logs import Logger
from stockpipe.common.metrics import ApiMetrics
from stockpipe.common.warehouse.urls import dialect_of

ABOUT = """
What the pipeline made, for programs: prices, metrics, indicators, risk, and where each number came from.

Rows come as JSON, or as the header `Accept` asks: `text/csv`, `application/vnd.apache.arrow.stream`,
`application/vnd.apache.parquet`. Every answer has an `ETag`; ask again with `If-None-Match` and pay only for what
changed. Errors are `application/problem+json`. Send a key as `Authorization: Bearer <key>`.
"""


@dataclass(frozen=True)
class Parts:
    """What the application is given."""

    settings: ServeSettings
    open_reader: OpenReader
    store: ObjectStore
    clock: Clock
    log: Logger
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)


def build_app(parts: Parts) -> FastAPI:
    """Return the application; it reads the warehouse from its start on."""
    settings = parts.settings
    metrics = ApiMetrics(parts.registry)
    warehouse = Warehouse(parts.open_reader, frozen=dialect_of(settings.warehouse_url) == "duckdb")
    news = News(warehouse, settings.poll_seconds, metrics, parts.log)

    @asynccontextmanager
    async def life(_app: FastAPI) -> AsyncIterator[None]:
        looking = asyncio.create_task(news.run())
        # Calendars take seconds to load; no request should wait for them.
        calendars = asyncio.create_task(to_thread.run_sync(is_open, HOME_EXCHANGE, parts.clock.now()))
        yield
        news.stop()
        await asyncio.gather(looking, calendars)
        warehouse.close()

    app = FastAPI(
        title="stockpipe",
        version="1",
        description=ABOUT,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # the redirect would name the host that the caller named
        lifespan=life,
        license_info={"name": "MIT", "identifier": "MIT"},
    )
    app.state.settings = settings
    app.state.registry = parts.registry
    app.state.store = parts.store
    app.state.clock = parts.clock
    app.state.warehouse = warehouse
    app.state.news = news
    app.state.answers = Answers(warehouse, news, settings.cache_mib * 2**20, metrics)
    app.state.access = Access(
        ApiKeys(parts.store),
        _provider(settings),
        settings.anonymous_role,
        RateLimit(settings.rate_limit_per_minute, parts.clock),
        metrics,
        parts.log,
    )
    for each in (symbols, series, analytics, portfolio, operations, lineage, health, page):
        app.include_router(each.router)
    app.mount("/static", StaticFiles(directory=page.STATIC))
    add_handlers(app)
    app.add_middleware(KeptFirst, answers=app.state.answers)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "If-None-Match"],
            expose_headers=["ETag", "Link", "X-Request-ID"],
        )
    app.add_middleware(Edge, clock=parts.clock, metrics=metrics, log=parts.log)
    _describe_problems(app)
    return app


def _provider(settings: ServeSettings) -> Provider | None:
    if not settings.oidc_issuer or not settings.oidc_audience:
        return None
    return Provider(
        settings.oidc_issuer,
        settings.oidc_audience,
        settings.oidc_roles_claim,
        {settings.oidc_reader_role: "reader", settings.oidc_operator_role: "operator"},
    )


def _describe_problems(app: FastAPI) -> None:
    """Add the schema of problems, which routes name, to the description."""
    generate = app.openapi

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
            generate()["components"]["schemas"] |= problem.pop("$defs") | {"Problem": problem}
        return generate()

    app.openapi = described  # type: ignore[method-assign]
