"""Probes and metrics."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel
from starlette.responses import Response

from stockpipe.api.access import require_operator
from stockpipe.api.dependencies import news_of
from stockpipe.api.news import News
from stockpipe.api.problems import documented

router = APIRouter(tags=["operations"])


class Health(BaseModel):
    """An answer to a probe."""

    status: str


@router.get("/healthz", summary="Whether the process answers")
async def healthz() -> Health:
    """Tell that the process answers; it asks nobody."""
    return Health(status="ok")


@router.get("/readyz", summary="Whether requests may come", responses={503: documented()[503]})
async def readyz(news: Annotated[News, Depends(news_of)]) -> Health:
    """Tell that the warehouse has been read. An outage later doesn't unready it: what was read is still served."""
    news.symbols()
    return Health(status="ready")


@router.get(
    "/metrics",
    summary="Prometheus metrics",
    dependencies=[Depends(require_operator)],
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **documented()},
    response_class=Response,
)
async def metrics(request: Request) -> Response:
    """Return the metrics in Prometheus' text format; METRICS_PORT serves them too, without a key."""
    return Response(generate_latest(request.app.state.registry), media_type=CONTENT_TYPE_LATEST)
