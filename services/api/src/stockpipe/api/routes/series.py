"""Daily metrics and realtime windows of a symbol."""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any

import pyarrow as pa
from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from stockpipe.api.access import require_reader
from stockpipe.api.answers import Answers
from stockpipe.api.dependencies import answers_of, known_symbol
from stockpipe.api.parameters import DayPage, PageParameters, Symbol, TimePage, page_model, row_model, tabular
from stockpipe.api.problems import ApiProblem, documented
from stockpipe.api.selection import Selection, column_list, decode_cursor, select
from stockpipe.common.contracts.tables import DAILY_STOCK_METRICS, REALTIME_STOCK_ANALYTICS, Table
from stockpipe.common.warehouse.reader import WarehouseReader

router = APIRouter(prefix="/v1", tags=["prices"], dependencies=[Depends(require_reader)])

DailyPage = page_model("DailyPage", row_model("DailyRow", DAILY_STOCK_METRICS))
RealtimePage = page_model("RealtimePage", row_model("RealtimeRow", REALTIME_STOCK_ANALYTICS))


@router.get(
    "/daily/{symbol}",
    summary="Daily metrics of a symbol",
    responses=tabular(DailyPage) | documented(404, 406),
    response_class=Response,
)
async def daily(
    request: Request,
    symbol: Symbol,
    page: Annotated[DayPage, Query()],
    answers: Annotated[Answers, Depends(answers_of)],
) -> Response:
    """Return sessions of a symbol: prices, moving averages, volatility and volume; a row a session."""
    end = page.last + timedelta(days=1) if page.last and page.last < date.max else None
    wanted = _selection(DAILY_STOCK_METRICS, symbol, page, page.first, end, date)
    return await _answer(request, answers, wanted)


@router.get(
    "/realtime/{symbol}",
    summary="Realtime windows of a symbol",
    responses=tabular(RealtimePage) | documented(404, 406),
    response_class=Response,
)
async def realtime(
    request: Request,
    symbol: Symbol,
    page: Annotated[TimePage, Query()],
    answers: Annotated[Answers, Depends(answers_of)],
) -> Response:
    """Return windows of 15 minutes of a symbol: prices, moving averages, VWAP, volatility and volume."""
    first, end = _naive(page.first), _naive(page.end)
    wanted = _selection(REALTIME_STOCK_ANALYTICS, symbol, page, first, end, datetime)
    return await _answer(request, answers, wanted)


def _selection(
    table: Table, symbol: str, page: PageParameters, first: date | None, end: date | None, kind: type[date]
) -> Selection:
    if first and end and first >= end:
        raise ApiProblem(422, f"query.from={first} must be before the end, query.to; swap them")
    return Selection(
        table=table,
        symbol=symbol,
        columns=column_list(page.columns, table),
        first=first,
        end=end,
        after=decode_cursor(page.cursor, kind),
        limit=page.limit,
        descending=page.order == "desc",
    )


async def _answer(request: Request, answers: Answers, wanted: Selection) -> Response:
    known_symbol(request, wanted.symbol)

    def produce(reader: WarehouseReader) -> tuple[pa.Table, dict[str, Any]]:
        rows, cursor = select(reader, wanted)
        return rows, {"next": cursor}

    return await answers.query(request, (wanted.table.database,), produce)


def _naive(instant: datetime | None) -> datetime | None:
    """Return the instant in UTC without a zone, as the warehouse has it."""
    if instant is None or instant.tzinfo is None:
        return instant
    try:
        return instant.astimezone(UTC).replace(tzinfo=None)
    except OverflowError:
        raise ApiProblem(422, f"instant {instant} is beyond the calendar") from None
