"""Where a number came from: a row's batch, raw objects, Kafka offsets and requests."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from stockpipe.api.access import require_reader
from stockpipe.api.answers import Answers
from stockpipe.api.dependencies import answers_of, known_symbol
from stockpipe.api.formats import JSON, negotiate
from stockpipe.api.parameters import Day, Instant, Parameters, Symbol
from stockpipe.api.problems import documented
from stockpipe.api.settings import ServeSettings
from stockpipe.api.warehouse import Warehouse
from stockpipe.common.contracts.tables import DAILY_STOCK_METRICS, REALTIME_STOCK_ANALYTICS
from stockpipe.common.lake.store import ObjectStore
from stockpipe.common.trace import Trace, trace_daily, trace_window
from stockpipe.common.warehouse.reader import WarehouseReader

router = APIRouter(prefix="/v1", tags=["operations"], dependencies=[Depends(require_reader)])


class LineageParameters(Parameters):
    """How much of it."""

    limit: int = Field(200, ge=1, le=5000, description="Most sources, newest first")


class LineageSource(BaseModel):
    """A raw row that the warehouse row was computed from."""

    moment: str = Field(description="Session date of a bar, time of a quote")
    topic: str
    partition: int
    offset: int
    raw_object: str = Field(description="Object of the lake that holds it")
    raw_manifest: str = Field(description="Its commit record")
    fetch_id: str
    request: str = Field(description="What was asked of the source")
    fetched_at: str


class LineageBatch(BaseModel):
    """The batch that computed the row."""

    dataset: str
    batch_id: str
    manifest: str = Field(description="Its commit record")
    rows_in: int
    rows_out: int
    transform_version: int
    produced_at: str
    loaded_at: datetime


class Lineage(BaseModel):
    """The way of a row: warehouse, batch, raw objects, offsets, requests."""

    table: str
    row: dict[str, Any]
    batch: LineageBatch
    source_count: int = Field(description="Raw rows that it was computed from")
    sources: list[LineageSource]


Limit = Annotated[LineageParameters, Query()]
Maker = Annotated[Answers, Depends(answers_of)]


@router.get(
    "/lineage/daily/{symbol}/{day}",
    summary="Where a daily row came from",
    response_model=Lineage,
    responses=documented(404, 406),
)
async def daily_lineage(
    request: Request,
    symbol: Symbol,
    day: Annotated[Day, Path(description="Session", examples=["2013-03-01"])],
    limit: Limit,
    answers: Maker,
) -> Response:
    """Walk a row of DAILY_STOCK_METRICS back to its batch, raw objects, Kafka offsets and requests."""
    settings: ServeSettings = request.app.state.settings

    def walk(store: ObjectStore, reader: WarehouseReader) -> Trace:
        return trace_daily(store, reader, settings.kafka_topic_batch, settings.kafka_topic_actions, symbol, day)

    return await _answer(request, answers, symbol, limit.limit, DAILY_STOCK_METRICS.database, walk)


@router.get(
    "/lineage/realtime/{symbol}/{window_start}",
    summary="Where a window came from",
    response_model=Lineage,
    responses=documented(404, 406),
)
async def window_lineage(
    request: Request,
    symbol: Symbol,
    window_start: Annotated[Instant, Path(description="Start of the window", examples=["2013-03-01T15:00:00Z"])],
    limit: Limit,
    answers: Maker,
) -> Response:
    """Walk a row of REALTIME_STOCK_ANALYTICS back to its batch, raw objects, Kafka offsets and requests."""
    settings: ServeSettings = request.app.state.settings

    def walk(store: ObjectStore, reader: WarehouseReader) -> Trace:
        return trace_window(store, reader, settings.kafka_topic_realtime, symbol, window_start)

    return await _answer(request, answers, symbol, limit.limit, REALTIME_STOCK_ANALYTICS.database, walk)


async def _answer(
    request: Request,
    answers: Answers,
    symbol: str,
    limit: int,
    database: str,
    walk: Callable[[ObjectStore, WarehouseReader], Trace],
) -> Response:
    known_symbol(request, symbol)
    state = request.app.state
    warehouse: Warehouse = state.warehouse

    def make() -> tuple[bytes, None]:
        with warehouse.reader() as reader:
            return _lineage(walk(state.store, reader), limit), None

    media = negotiate(request.headers.get("accept", "*/*"), (JSON,))
    return await answers.cached(request, (database,), media, make)


def _lineage(found: Trace, limit: int) -> bytes:
    batch = found.batch
    return msgspec.json.encode(
        {
            "table": found.table,
            "row": {name: _zoned(value) for name, value in found.row.items()},
            "batch": {
                "dataset": batch.dataset,
                "batch_id": batch.batch_id,
                "manifest": found.batch_manifest,
                "rows_in": batch.rows_in,
                "rows_out": batch.rows_out,
                "transform_version": batch.transform_version,
                "produced_at": batch.produced_at,
                "loaded_at": _zoned(found.loaded["loaded_at"]),
            },
            "source_count": len(found.sources),
            "sources": found.sources[::-1][:limit],
        }
    )


def _zoned(value: Any) -> Any:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value
