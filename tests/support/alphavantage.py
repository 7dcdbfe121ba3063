"""Alpha Vantage's answers, written by hand from what is known of its documentation (2026-11); none was recorded.

Refusals are of the kinds seen in issue reports: `Note` (until 2024), `Information` (since), `Error Message`.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any

import httpx

THROTTLED = (
    "Thank you for using Alpha Vantage! Please consider spreading out your free API requests more sparingly "
    "(1 request per second). You may subscribe to any of the premium plans to lift the free key rate limit."
)
DAY_USED = (
    "We have detected your API key as {key} and our standard API rate limit is 25 requests per day. "
    "Please subscribe to any of the premium plans to instantly remove all daily rate limits."
)
PREMIUM = (
    "Thank you for using Alpha Vantage! This is a premium endpoint. You may subscribe to any of the premium plans."
)
FULL_IS_PREMIUM = "The outputsize=full parameter value is a premium feature for the TIME_SERIES_DAILY endpoint."
INVALID_CALL = "Invalid API call. Please retry or visit the documentation for TIME_SERIES_DAILY."
INVALID_KEY = "the parameter apikey is invalid or missing. Please claim your free API key."


def daily(symbol: str, days: Sequence[str], first_close: float = 100.0, zone: str = "US/Eastern", **more: str) -> str:
    """Return a daily series, newest day first as Alpha Vantage sends it; `more` are fields of every row."""
    series: dict[str, Any] = {}
    for position, day in reversed(list(enumerate(days))):
        close = first_close + position
        series[day] = {
            "1. open": f"{close - 0.5:.4f}",
            "2. high": f"{close + 1:.4f}",
            "3. low": f"{close - 1:.4f}",
            "4. close": f"{close:.4f}",
            "5. volume": str(1000 + position),
        } | {f"{number}. {name.replace('_', ' ')}": value for number, (name, value) in enumerate(more.items(), 6)}
    meta = {
        "1. Information": "Daily Prices (open, high, low, close) and Volumes",
        "2. Symbol": symbol,
        "3. Last Refreshed": days[-1] if days else "",
        "4. Output Size": "Compact",
        "5. Time Zone": zone,
    }
    return json.dumps({"Meta Data": meta, "Time Series (Daily)": series})


def minutes(symbol: str, stamps: Sequence[str], zone: str = "US/Eastern") -> str:
    """Return a 1min series, newest first; stamps are wall-clock times there, of the minute's start."""
    series = {
        stamp: {
            "1. open": "99.5000",
            "2. high": "101.0000",
            "3. low": "99.0000",
            "4. close": f"{100 + position:.4f}",
            "5. volume": "500",
        }
        for position, stamp in reversed(list(enumerate(stamps)))
    }
    meta = {
        "1. Information": "Intraday (1min) open, high, low, close prices and volume",
        "2. Symbol": symbol,
        "3. Last Refreshed": stamps[-1],
        "4. Interval": "1min",
        "5. Output Size": "Compact",
        "6. Time Zone": zone,
    }
    return json.dumps({"Meta Data": meta, "Time Series (1min)": series})


def said(key: str, text: str) -> str:
    return json.dumps({key: text})


class FakeAlphaVantage:
    """The other side; `answer` gives status and body by the request's parameters."""

    def __init__(self, answer: Callable[[dict[str, str]], tuple[int, str]]) -> None:
        self.requests: list[dict[str, str]] = []
        self._answer = answer
        self.transport = httpx.MockTransport(self._handle)

    def _handle(self, request: httpx.Request) -> httpx.Response:
        parameters = dict(request.url.params)
        self.requests.append(parameters)
        status, body = self._answer(parameters)
        return httpx.Response(status, text=body)
