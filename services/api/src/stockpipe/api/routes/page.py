"""The dashboard: files of this package, and the chart library out of its own."""

from importlib.metadata import distribution
from pathlib import Path

from fastapi import APIRouter
from starlette.responses import FileResponse

STATIC = Path(__file__).parents[1] / "static"
CHARTS = Path(str(distribution("litecharts").locate_file("litecharts/js/lightweight-charts.js")))

router = APIRouter(include_in_schema=False)


def _file(path: Path, media_type: str | None = None) -> FileResponse:
    return FileResponse(path, headers={"Cache-Control": "no-cache"}, media_type=media_type)


@router.get("/")
async def page() -> FileResponse:
    """Return the page."""
    return _file(STATIC / "index.html")


@router.get("/static/lightweight-charts.js")
async def charts() -> FileResponse:
    """Return TradingView Lightweight Charts."""
    return _file(CHARTS, "text/javascript")
