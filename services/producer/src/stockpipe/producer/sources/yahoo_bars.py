"""Source `yahoo`: daily bars and corporate actions."""

from datetime import datetime, timedelta

import msgspec

from stockpipe.common import calendar
from stockpipe.producer.sources.bars import BarRow, RowReader, major_unit
from stockpipe.producer.sources.base import BarQuery, Fetch, Parsed, Payload
from stockpipe.producer.sources.errors import BadPayload
from stockpipe.producer.sources.yahoo_client import SOURCE, YahooClient


class _Row(msgspec.Struct):
    time: int
    open: float | None = None
    high: float | None = None
    low: float | None = None
    close: float | None = None
    adj_close: float | None = None
    volume: int | None = None
    dividend: float | None = None
    split_ratio: float | None = None


class _Meta(msgspec.Struct):
    symbol: str | None = None
    currency: str | None = None


class Chart(msgspec.Struct):
    """What Yahoo says of one symbol."""

    meta: _Meta
    rows: list[_Row]


class YahooBars:
    """Daily bars, one symbol a call. Prices are as Yahoo gives them: later splits are applied, dividends are not."""

    name = SOURCE
    applies_splits = True

    def __init__(self, client: YahooClient, settle: timedelta) -> None:
        self._client = client
        self._settle = settle

    def fetch_bars(self, query: BarQuery) -> Payload:
        zone = calendar.time_zone(query.exchange)
        body = self._client.chart(query.symbol, zone, "1d", query.first, query.last, today=query.last)
        return Payload(
            f"yahoo chart {query.symbol} interval=1d {query.first}..{query.last} auto_adjust=false actions=true", body
        )

    def parse_bars(self, query: BarQuery, payload: Payload, fetch: Fetch) -> Parsed:
        chart, currency, divisor = read_chart(query, payload)
        zone = calendar.time_zone(query.exchange)
        reader = RowReader(SOURCE, query, fetch, currency, self._settle)
        for row in chart.rows:
            day = datetime.fromtimestamp(row.time, zone).date()
            reader.add(
                BarRow(
                    day=day,
                    open=_divided(row.open, divisor),
                    high=_divided(row.high, divisor),
                    low=_divided(row.low, divisor),
                    close=_divided(row.close, divisor),
                    adj_close=_divided(row.adj_close, divisor),
                    volume=row.volume,
                    dividend=_divided(row.dividend, divisor),
                    split_ratio=row.split_ratio or (None if row.split_ratio is None else 1.0),
                )
            )
        return reader.parsed()


def read_chart(query: BarQuery, payload: Payload) -> tuple[Chart, str, float]:
    """Return Yahoo's chart, the ISO 4217 code of its currency and what its prices are to be divided by.

    Raises:
        BadPayload: it can't be read, or is about another symbol or currency.
    """
    try:
        chart = msgspec.json.decode(payload.body, type=Chart)
    except msgspec.DecodeError as error:
        raise BadPayload(SOURCE, query.symbol, f"chart can't be read: {error}") from error
    if chart.meta.symbol != query.symbol:
        raise BadPayload(SOURCE, query.symbol, f"the answer is about {chart.meta.symbol!r}")
    return chart, *major_unit(SOURCE, query, chart.meta.currency)


def _divided(value: float | None, divisor: float) -> float | None:
    return value if value is None or divisor == 1 else value / divisor
