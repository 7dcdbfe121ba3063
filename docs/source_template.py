"""Template of a source of daily bars: copy it to stockpipe/producer/sources/, replace `example`.

Three steps: the query says what is wanted, `fetch_bars` asks and classifies refusals, `parse_bars` is pure. What all
sources need is shared: the budget and the counters (Meter), the breaker (Health), the checks of rows (RowReader).
"""

from datetime import date, timedelta

import httpx
import msgspec

from stockpipe.producer.sources.bars import BarRow, RowReader, major_unit
from stockpipe.producer.sources.base import BarQuery, Fetch, Parsed, Payload
from stockpipe.producer.sources.errors import BadPayload, RateLimited, SourceUnavailable
from stockpipe.producer.sources.meter import Meter

SOURCE = "example"
URL = "https://example.invalid/daily"
TIMEOUT_SECONDS = 10.0


class _Row(msgspec.Struct):
    day: date
    open: float
    high: float
    low: float
    close: float
    volume: int


class _Answer(msgspec.Struct):
    symbol: str
    currency: str
    rows: list[_Row]


class ExampleBars:
    """Daily bars, one symbol a call, as traded."""

    name = SOURCE
    applies_splits = False

    def __init__(self, meter: Meter, settle: timedelta, transport: httpx.BaseTransport | None = None) -> None:
        self._meter = meter
        self._settle = settle
        self._http = httpx.Client(transport=transport, timeout=TIMEOUT_SECONDS)

    def fetch_bars(self, query: BarQuery) -> Payload:
        """Ask; the request's text is kept for lineage, so no key may be in it."""
        self._meter.before()
        parameters = {"symbol": query.symbol, "from": query.first.isoformat(), "to": query.last.isoformat()}
        try:
            response = self._http.get(URL, params=parameters)
        except httpx.HTTPError as error:
            self._meter.after(None)
            raise SourceUnavailable(SOURCE, query.symbol, f"no answer: {error}") from None
        self._meter.after(response.status_code)
        if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
            raise RateLimited(SOURCE, query.symbol, "too many requests")
        if response.status_code != httpx.codes.OK:
            raise SourceUnavailable(SOURCE, query.symbol, f"answered {response.status_code}")
        return Payload(f"example daily {query.symbol} {query.first}..{query.last}", response.content)

    def parse_bars(self, query: BarQuery, payload: Payload, fetch: Fetch) -> Parsed:
        """Understand the payload; what it says of another symbol or currency is refused."""
        try:
            answer = msgspec.json.decode(payload.body, type=_Answer)
        except msgspec.DecodeError as error:
            raise BadPayload(SOURCE, query.symbol, f"bars can't be read: {error}") from error
        if answer.symbol != query.symbol:
            raise BadPayload(SOURCE, query.symbol, f"the answer is about {answer.symbol!r}")
        currency, divisor = major_unit(SOURCE, query, answer.currency)
        reader = RowReader(SOURCE, query, fetch, currency, self._settle)
        for row in answer.rows:
            prices = (row.open / divisor, row.high / divisor, row.low / divisor, row.close / divisor)
            reader.add(BarRow(row.day, *prices, row.volume))
        return reader.parsed()
