"""How fresh the warehouse is, and whether the books balance."""

from datetime import date, datetime, timedelta
from typing import Annotated, Any

import msgspec
from anyio import to_thread
from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from stockpipe.api.access import require_operator, require_reader
from stockpipe.api.board import SymbolNow
from stockpipe.api.dependencies import news_of
from stockpipe.api.formats import JSON
from stockpipe.api.news import News
from stockpipe.api.problems import documented
from stockpipe.common.calendar import open_seconds
from stockpipe.common.clock import Clock
from stockpipe.common.contracts.books import decode_report
from stockpipe.common.errors import ConfigError
from stockpipe.common.lake import layout
from stockpipe.common.lake.store import ObjectMissing, ObjectStore

router = APIRouter(prefix="/v1", tags=["operations"])

HOME_EXCHANGE = "XNYS"
"""Whose hours count where a symbol's exchange isn't known."""
COUNTED = timedelta(days=30)


class SymbolFreshness(BaseModel):
    """How old a symbol's newest price is."""

    symbol: str
    as_of: datetime = Field(description="Time of its newest price, UTC")
    age_seconds: float = Field(description="Seconds since then")
    market_seconds: float | None = Field(
        description="Seconds of them that its exchange was open, in the last 30 days; null if its hours aren't known"
    )


class DatasetFreshness(BaseModel):
    """The newest batch of a dataset."""

    dataset: str
    batch_id: str
    rows: int
    loaded_at: datetime
    age_seconds: float = Field(description="Seconds since it was loaded")


class Freshness(BaseModel):
    """How old the warehouse's content is."""

    now: datetime
    symbols: list[SymbolFreshness]
    datasets: list[DatasetFreshness]


@router.get(
    "/freshness",
    summary="How old each symbol's data is",
    dependencies=[Depends(require_reader)],
    responses=documented(),
)
async def freshness(request: Request, news: Annotated[News, Depends(news_of)]) -> Freshness:
    """Return the age of every symbol's newest price, and of every dataset's newest batch."""
    clock: Clock = request.app.state.clock
    now = clock.now()
    newest = {batch.dataset: batch for batch in reversed(news.batches())}
    symbols = list(news.symbols().values())
    return Freshness(
        now=now,
        symbols=await to_thread.run_sync(lambda: [_freshness(symbol, now) for symbol in symbols]),
        datasets=[
            DatasetFreshness(**msgspec.structs.asdict(batch), age_seconds=(now - batch.loaded_at).total_seconds())
            for _name, batch in sorted(newest.items())
        ],
    )


def _freshness(symbol: SymbolNow, now: datetime) -> SymbolFreshness:
    try:
        market = open_seconds(symbol.exchange or HOME_EXCHANGE, max(symbol.as_of, now - COUNTED), now)
    except ConfigError:
        market = None
    age = (now - symbol.as_of).total_seconds()
    return SymbolFreshness(symbol=symbol.symbol, as_of=symbol.as_of, age_seconds=age, market_seconds=market)


class FindingRow(BaseModel):
    """Something that doesn't balance."""

    hop: str
    subject: str
    detail: str
    count: int


class PartitionRow(BaseModel):
    """A topic partition: offsets = raw_rows + rejected + skipped + retired."""

    topic: str
    partition: int
    offsets: int
    raw_rows: int
    rejected: int = Field(description="In the dead-letter queue")
    skipped: int
    retired: int
    gap: int
    overlap: int
    waiting: int = Field(description="In Kafka, not yet read")
    unaccounted: int


class DatasetRow(BaseModel):
    """A processed dataset."""

    dataset: str
    batches: int
    rows_in: int
    dropped: dict[str, int]
    rows_out: int
    warehouse_rows: int
    retired: int
    not_loaded: int = Field(description="Batches that the warehouse doesn't have yet")
    waiting: int = Field(description="Raw records that no batch has read yet")
    unaccounted: int


class Books(BaseModel):
    """The newest audit of `stockpipe-auditor watch`."""

    audited_at: datetime | None = Field(description="When; null if there was none yet")
    first_day: date | None = Field(description="What was landed, processed and loaded from this day on is in it")
    partitions: list[PartitionRow]
    datasets: list[DatasetRow]
    findings: list[FindingRow]
    dead_letters: dict[str, dict[str, int]] = Field(
        description="Records in each dead-letter queue, by topic and reason"
    )


@router.get(
    "/books",
    summary="Whether every record is accounted for",
    dependencies=[Depends(require_operator)],
    response_model=Books,
    responses=documented(),
)
async def books(request: Request) -> Response:
    """Return the newest report of the auditor's watch: every hop's counts, findings, and dead letters by reason."""
    return Response(await to_thread.run_sync(_newest_report, request.app.state.store), media_type=JSON)


def _newest_report(store: ObjectStore) -> bytes:
    for info in reversed(list(store.list(layout.BOOKS_REPORTS))):
        try:
            return msgspec.json.encode(decode_report(info.key, store.get(info.key)))
        except ObjectMissing:
            continue  # a newer one has come meanwhile
    nothing: dict[str, Any] = {"partitions": [], "datasets": [], "findings": [], "dead_letters": {}}
    return msgspec.json.encode({"audited_at": None, "first_day": None, **nothing})
