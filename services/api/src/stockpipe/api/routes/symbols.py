"""The list of symbols, and the stream of what is new."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
import pyarrow as pa
from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response, StreamingResponse

from stockpipe.api.access import Access, Credentials, require_reader
from stockpipe.api.answers import Answers
from stockpipe.api.dependencies import answers_of, news_of
from stockpipe.api.news import News
from stockpipe.api.parameters import Parameters, SymbolText, page_model, tabular
from stockpipe.api.problems import ApiProblem, documented
from stockpipe.common.warehouse.ledger import DATABASES

router = APIRouter(prefix="/v1", tags=["prices"], dependencies=[Depends(require_reader)])


class SymbolRow(BaseModel):
    """A symbol as it is now."""

    symbol: str = Field(description="Ticker", examples=["AAPL"])
    price: float = Field(description="Last price, in the symbol's currency")
    as_of: datetime = Field(description="When that was, UTC")
    source: Literal["realtime", "daily"] = Field(description="Newest window, or the last session's close")
    change: float | None = Field(description="Price minus that of `change_from`")
    change_pct: float | None = Field(description="`change` in percent of it")
    change_from: Literal["previous_close", "first_price"] | None = Field(
        description="The close before; the day's first price where no close is that new"
    )
    volume: int = Field(description="Shares in the last 15 minutes (realtime) or the last session (daily)")
    exchange: str | None = Field(description="Primary listing, ISO 10383 MIC")
    spark: list[float] = Field(description="The last prices, oldest first: of windows, or of sessions if those are few")


class SymbolParameters(Parameters):
    """Which symbols."""

    limit: int = Field(500, ge=1, le=1000, description="Most symbols of the page")
    cursor: SymbolText | None = Field(None, description="`next` of the page before")


_SCHEMA = pa.schema(
    [
        ("symbol", pa.string()),
        ("price", pa.float64()),
        ("as_of", pa.timestamp("us", tz="UTC")),
        ("source", pa.string()),
        ("change", pa.float64()),
        ("change_pct", pa.float64()),
        ("change_from", pa.string()),
        ("volume", pa.int64()),
        ("exchange", pa.string()),
        ("spark", pa.list_(pa.float64())),
    ]
)


@router.get(
    "/symbols",
    summary="All symbols as they are now",
    responses=tabular(page_model("SymbolPage", SymbolRow)) | documented(406),
    response_class=Response,
)
async def symbols(
    request: Request,
    page: Annotated[SymbolParameters, Query()],
    answers: Annotated[Answers, Depends(answers_of)],
    news: Annotated[News, Depends(news_of)],
) -> Response:
    """Return every symbol with its last price, its change and a sparkline, by name."""
    known = news.symbols()

    def produce() -> tuple[pa.Table, dict[str, Any]]:
        found = [each for name, each in known.items() if page.cursor is None or name > page.cursor]
        shown = found[: page.limit]
        rows = pa.Table.from_pylist([msgspec.structs.asdict(each) for each in shown], _SCHEMA)
        return rows, {"next": shown[-1].symbol if len(found) > len(shown) else None}

    return await answers.rows(request, DATABASES, produce)


@router.get(
    "/stream",
    summary="What is new, as server-sent events",
    responses={
        200: {
            "description": "Events `symbols` and `batches`, until the client ends it",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
        **documented(),
    },
    response_class=StreamingResponse,
)
async def stream(
    request: Request, credentials: Credentials, news: Annotated[News, Depends(news_of)]
) -> StreamingResponse:
    """Send all symbols at once, then each newly loaded batch and the symbols that it changed.

    `symbols` carries rows as in `/v1/symbols`, `batches` dataset, batch id, rows and time of the load.
    """
    if news.is_full(request.app.state.settings.stream_clients):
        raise ApiProblem(503, "too many clients listen already; try again later", {"Retry-After": "30"})
    news.symbols()
    access: Access = request.app.state.access

    async def events() -> AsyncIterator[bytes]:
        async with aclosing(news.listen()) as listening:
            async for event in listening:
                if not await access.is_still_admitted(request, credentials):
                    return
                yield event

    return StreamingResponse(
        events(), media_type="text/event-stream", headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    )
