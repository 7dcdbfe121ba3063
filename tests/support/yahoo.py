"""Yahoo's side of yfinance: shapes written by hand, served to yfinance's own session.

No socket is opened: a `requests` adapter answers. Shapes: `/v8/finance/chart` (meta, timestamp, events, indicators),
`/v7/finance/quote` (quoteResponse), `/v1/test/getcrumb`; errors `{"chart": {"error": {"code", "description"}}}`.
Written 2026-11 after what yfinance 1.7 reads; Yahoo documents nothing, and no answer was recorded.
"""

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import requests
from requests.adapters import BaseAdapter

Answer = tuple[int, str]
NEW_YORK = "America/New_York"


class FakeYahoo(BaseAdapter):
    """Answers every request; `answer` gives status and body by path's last part and parameters."""

    def __init__(self, answer: Callable[[str, dict[str, str]], Answer]) -> None:
        super().__init__()
        self.answer = answer
        self.requests: list[str] = []

    def session(self) -> requests.Session:
        session = requests.Session()
        session.mount("https://", self)
        return session

    def asked(self, part: str) -> list[str]:
        """Return the URLs that contain `part`."""
        return [url for url in self.requests if part in url]

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        url = request.url or ""
        self.requests.append(url)
        parts = urlsplit(url)
        if parts.path.endswith("/getcrumb"):
            status, body = 200, "abcDEF123"
        elif "/finance/" in parts.path:
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            status, body = self.answer(parts.path.rpartition("/")[2], query)
        else:
            status, body = 404, ""
        response = requests.Response()
        response.status_code = status
        response._content = body.encode()
        response.url = url
        response.request = request
        return response

    def close(self) -> None:
        pass


def midnight(day: str, zone: str = NEW_YORK, hour: int = 9, minute: int = 30) -> int:
    """Return the epoch second at which Yahoo stamps a daily bar: the session's open."""
    return int(datetime.fromisoformat(f"{day}T{hour:02d}:{minute:02d}").replace(tzinfo=ZoneInfo(zone)).timestamp())


def bars_of(
    days: Sequence[str], first_close: float = 100.0, zone: str = NEW_YORK, **changes: Any
) -> list[dict[str, Any]]:
    """Return rows of consecutive days: close rises by 1 a day."""
    rows = []
    for position, day in enumerate(days):
        close = first_close + position
        row = {"time": midnight(day, zone), "open": close - 0.5, "high": close + 1.0, "low": close - 1.0}
        rows.append(row | {"close": close, "adjclose": close * 0.99, "volume": 1000 + position} | changes)
    return rows


def chart(
    symbol: str,
    rows: Sequence[dict[str, Any]],
    zone: str = NEW_YORK,
    currency: str = "USD",
    splits: dict[str, tuple[int, int]] | None = None,
    dividends: dict[str, float] | None = None,
) -> str:
    """Return the body of a chart answer."""
    events: dict[str, Any] = {}
    if splits:
        events["splits"] = {
            str(midnight(day, zone)): {
                "date": midnight(day, zone),
                "numerator": new,
                "denominator": old,
                "splitRatio": f"{new}:{old}",
            }
            for day, (new, old) in splits.items()
        }
    if dividends:
        events["dividends"] = {
            str(midnight(day, zone)): {"date": midnight(day, zone), "amount": amount}
            for day, amount in dividends.items()
        }
    meta = {
        "symbol": symbol,
        "currency": currency,
        "exchangeTimezoneName": zone,
        "instrumentType": "EQUITY",
        "gmtoffset": -18000,
        "dataGranularity": "1d",
        "priceHint": 2,
        "validRanges": ["1d", "5d", "1mo", "max"],
        "regularMarketTime": rows[-1]["time"] if rows else 0,
    }
    result: dict[str, Any] = {"meta": meta, "indicators": {"quote": [{}], "adjclose": [{}]}}
    if rows:
        result["timestamp"] = [row["time"] for row in rows]
        result["events"] = events
        names = ("open", "high", "low", "close", "volume")
        result["indicators"] = {"quote": [{name: [row[name] for row in rows] for name in names}]}
        if "adjclose" in rows[0]:  # bars within a day have none
            result["indicators"]["adjclose"] = [{"adjclose": [row["adjclose"] for row in rows]}]
    return json.dumps({"chart": {"result": [result], "error": None}})


def chart_error(code: str, description: str) -> str:
    return json.dumps({"chart": {"result": None, "error": {"code": code, "description": description}}})


def quote_answer(quotes: Sequence[dict[str, Any]]) -> str:
    return json.dumps({"quoteResponse": {"result": list(quotes), "error": None}})


def quote_of(symbol: str, at: datetime, price: float, day_volume: int, **changes: Any) -> dict[str, Any]:
    """Return one element of a quote answer."""
    return {
        "symbol": symbol,
        "currency": "USD",
        "regularMarketPrice": price,
        "regularMarketTime": int(at.timestamp()),
        "regularMarketVolume": day_volume,
        "bid": price - 0.01,
        "ask": price + 0.01,
        "marketState": "REGULAR",
        "exchangeTimezoneName": NEW_YORK,
        "quoteType": "EQUITY",
    } | changes
