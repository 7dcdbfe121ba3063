"""The calls to Yahoo, through yfinance. This is the only module that knows yfinance.

What it guards against, see docs/sources.md: yfinance hides exceptions, keeps failed answers in a cache, sends a
request again with other cookies after any error, asks for a symbol's time zone first, and writes its cache into the
home folder.
"""

import logging
import math
from collections import deque
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from stockpipe.producer.sources.errors import (
    BadPayload,
    NoData,
    RateLimited,
    SourceError,
    SourceUnavailable,
)
from stockpipe.producer.sources.meter import Meter
from stockpipe.producer.sources.ranges import Interval, plan_ranges

SOURCE = "yahoo"
TIMEOUT_SECONDS = 10
QUOTE_URL = "https://query1.finance.yahoo.com/v7/finance/quote"
_COLUMNS = {
    "Open": "open",
    "High": "high",
    "Low": "low",
    "Close": "close",
    "Adj Close": "adj_close",
    "Volume": "volume",
    "Dividends": "dividend",
    "Stock Splits": "split_ratio",
}
_META = ("symbol", "currency", "exchangeTimezoneName", "instrumentType", "regularMarketTime")
_UNAUTHORIZED = (401, 403)
_TOO_MANY_REQUESTS = 429


class YahooClient:
    """One client a process: yfinance keeps one session with its cookies for all. Not thread-safe."""

    def __init__(self, meter: Meter, cache_folder: Path, session: Any = None) -> None:
        """Configure yfinance; it makes its own session, `session` is for tests.

        Raises:
            SourceUnavailable: yfinance can't be imported or its cache folder can't be made.
        """
        try:
            import yfinance
            from yfinance.data import YfData

            cache_folder.mkdir(parents=True, exist_ok=True)
        except (ImportError, OSError) as error:
            raise SourceUnavailable(SOURCE, None, f"yfinance can't be set up: {error}") from error
        logging.getLogger("yfinance").setLevel(logging.CRITICAL)  # what it logs it also raises, or it is counted
        yfinance.config.debug.hide_exceptions = False
        yfinance.set_tz_cache_location(str(cache_folder))
        self._yfinance = yfinance
        self._data = YfData(session=session) if session is not None else YfData()
        self._meter = meter
        self._statuses: deque[int | None] = deque(maxlen=2)
        self._body = b""
        self._meter_session()

    def chart(self, symbol: str, zone: ZoneInfo, interval: Interval, first: date, last: date, today: date) -> bytes:
        """Return the bars of the days `first` to `last` as JSON: `meta`, and `rows` with UTC epoch seconds.

        Prices are not adjusted for dividends; splits and dividends are columns. The range is cut into as many requests
        as the interval needs.

        Raises:
            SourceError: no usable answer; the reason is classified by HTTP status and by exception. NoData, without a
                request, where the interval doesn't reach back that far.
        """
        meta: dict[str, Any] = {}
        rows: list[dict[str, Any]] = []
        for start, end in list(plan_ranges(SOURCE, symbol, interval, first, last, today)):
            meta, part = self._chart(symbol, zone, interval, start, end + timedelta(days=1))
            rows += part
        return msgspec.json.encode({"meta": meta, "rows": rows}, enc_hook=str)

    def _chart(
        self, symbol: str, zone: ZoneInfo, interval: Interval, first: date, end: date
    ) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        self._begin()
        ticker = self._yfinance.Ticker(symbol)
        ticker._tz = zone.key  # or yfinance spends a request to ask for it
        start, before = (datetime(day.year, day.month, day.day, tzinfo=zone) for day in (first, end))
        try:
            frame = ticker.history(
                interval=interval,
                start=start,
                end=before,
                auto_adjust=False,
                actions=True,
                repair=False,
                keepna=True,
                prepost=True,  # leaves the choice to us, and yfinance needs no trading periods
                timeout=TIMEOUT_SECONDS,
            )
            meta = {name: ticker.history_metadata.get(name) for name in _META}
        except self._yfinance.exceptions.YFPricesMissingError as error:
            raise self._refusal(symbol) or self._missing(symbol, ticker, error) from error
        except Exception as error:
            raise self._classified(symbol, error) from error
        if frame.index.tz is None:
            raise BadPayload(SOURCE, symbol, "the bars' times have no time zone")
        columns = {ours: frame[theirs].tolist() for theirs, ours in _COLUMNS.items() if theirs in frame}
        return meta, [
            {"time": int(at.timestamp())} | {name: _none_if_nan(values[i]) for name, values in columns.items()}
            for i, at in enumerate(frame.index)
        ]

    def quotes(self, symbols: tuple[str, ...]) -> bytes:
        """Return Yahoo's answer to one request for the quotes of these symbols.

        Raises:
            SourceError: no usable answer.
        """
        self._begin()
        try:
            response = self._data.get(QUOTE_URL, params={"symbols": ",".join(symbols)}, timeout=TIMEOUT_SECONDS)
            body: bytes = response.content
        except Exception as error:
            raise self._classified(None, error) from error
        if refused := self._refusal(None):
            raise refused
        return body

    def _begin(self) -> None:
        self._statuses.clear()
        self._body = b""
        # The answers of past ranges are kept there, failed ones too.
        type(self._data).cache_get.cache_clear()

    def _meter_session(self) -> None:
        session, send = self._data._session, self._data._session.request

        def metered(*args: Any, **kwargs: Any) -> Any:
            self._meter.before()
            try:
                response = send(*args, **kwargs)
            except BaseException:
                self._note(None)
                raise
            self._note(response.status_code)
            self._body = response.content
            return response

        session.request = metered

    def _note(self, status: int | None) -> None:
        self._statuses.append(status)
        self._meter.after(status)

    def _refusal(self, symbol: str | None) -> SourceError | None:
        status = self._statuses[-1] if self._statuses else None
        if status == _TOO_MANY_REQUESTS:
            return RateLimited(SOURCE, symbol, "Yahoo answered 429, too many requests")
        if status in _UNAUTHORIZED:
            self._forget_login()
            return SourceUnavailable(SOURCE, symbol, f"Yahoo answered {status}; its cookie and crumb are made anew")
        if status is not None and status >= 500:
            return SourceUnavailable(SOURCE, symbol, f"Yahoo answered {status}")
        return None

    def _classified(self, symbol: str | None, error: Exception) -> SourceError:
        if isinstance(error, SourceError):
            return error
        if isinstance(error, self._yfinance.exceptions.YFRateLimitError):
            return RateLimited(SOURCE, symbol, "Yahoo answered 429, too many requests")
        if refused := self._refusal(symbol):
            return refused
        if isinstance(error, OSError) and not isinstance(error, ValueError):
            return SourceUnavailable(SOURCE, symbol, f"no answer from Yahoo: {_one_line(error)}")
        reason = f"Yahoo's answer can't be read: {type(error).__name__}: {_one_line(error)}"
        return BadPayload(SOURCE, symbol, reason, self._body)

    def _missing(self, symbol: str, ticker: Any, error: Any) -> SourceError:
        """Tell a clear "there is nothing" from an answer of another shape, behind which a rate limit may hide."""
        if error.yahoo_reason is not None:
            return NoData(SOURCE, symbol, f"Yahoo says: {error.yahoo_reason}", disowned=True)
        if ticker._price_history._history_metadata.get("symbol") == symbol:
            return NoData(SOURCE, symbol, "Yahoo has no prices in this range and gives no reason", is_empty=True)
        return BadPayload(SOURCE, symbol, "Yahoo's answer can't be read: no chart in it", self._body)

    def _forget_login(self) -> None:
        """Drop cookie and crumb, as a restarted process would: a bad crumb is kept otherwise."""
        self._data._crumb = self._data._cookie = None
        self._data._session.cookies.clear()
        self._yfinance.cache.get_cookie_cache().store("curlCffi", None)


def _none_if_nan(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()).partition(" See https")[0].rstrip(".")[:200]
