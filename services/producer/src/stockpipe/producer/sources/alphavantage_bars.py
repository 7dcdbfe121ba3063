"""Source `alphavantage`: daily bars of US shares, as traded."""

from datetime import date, timedelta
from typing import Any

import msgspec

from stockpipe.common import calendar
from stockpipe.common.clock import Clock
from stockpipe.producer.sources.alphavantage_client import META, SOURCE, AlphaVantageClient
from stockpipe.producer.sources.alphavantage_plan import Plan
from stockpipe.producer.sources.bars import BarRow, RowReader
from stockpipe.producer.sources.base import BarQuery, Fetch, Parsed, Payload
from stockpipe.producer.sources.errors import BadPayload, NoData

SERIES = "Time Series (Daily)"
ZONE = "US/Eastern"
US_EXCHANGES = ("XNYS", "XNAS")
COMPACT_SESSIONS = 100


class AlphaVantageBars:
    """Daily bars, one symbol a call; with a premium plan also adjusted closes, dividends and splits."""

    name = SOURCE
    applies_splits = False

    def __init__(self, client: AlphaVantageClient, plan: Plan, settle: timedelta, clock: Clock) -> None:
        self._client = client
        self._plan = plan
        self._settle = settle
        self._clock = clock

    def fetch_bars(self, query: BarQuery) -> Payload:
        function, size = self._choose(query)
        body = self._client.ask(query.symbol, SERIES, function=function, outputsize=size)
        return Payload(f"alphavantage {function} {query.symbol} outputsize={size} {query.first}..{query.last}", body)

    def parse_bars(self, query: BarQuery, payload: Payload, fetch: Fetch) -> Parsed:
        try:
            answer = msgspec.json.decode(payload.body)
            check_meta(query.symbol, answer[META])
            reader = RowReader(SOURCE, query, fetch, query.currency or "USD", self._settle)
            for day, row in answer[SERIES].items():
                if query.first.isoformat() <= day <= query.last.isoformat():
                    reader.add(_bar_row(date.fromisoformat(day), row))
        except (msgspec.DecodeError, KeyError, ValueError, TypeError, AttributeError) as error:
            raise BadPayload(SOURCE, query.symbol, f"bar can't be read: {error!r}") from error
        return reader.parsed()

    def _choose(self, query: BarQuery) -> tuple[str, str]:
        if query.exchange not in US_EXCHANGES:
            raise NoData(SOURCE, query.symbol, f"only US shares are asked of Alpha Vantage, not {query.exchange}")
        oldest = calendar.trailing_session(query.exchange, self._clock.now().date(), COMPACT_SESSIONS)
        if self._plan.premium:
            return "TIME_SERIES_DAILY_ADJUSTED", "compact" if query.first >= oldest else "full"
        if query.first < oldest:
            raise NoData(
                SOURCE,
                query.symbol,
                f"a free key has the last {COMPACT_SESSIONS} sessions, from {oldest}, not from {query.first}",
            )
        return "TIME_SERIES_DAILY", "compact"


def check_meta(symbol: str, meta: dict[str, Any]) -> None:
    """Check of whom and in which time zone the answer speaks; its stamps are naive wall-clock times there.

    Raises:
        BadPayload: another symbol or zone.
    """
    values = {key.partition(". ")[2]: value for key, value in meta.items()}
    if str(values.get("Symbol")).upper() != symbol:
        raise BadPayload(SOURCE, symbol, f"the answer is about {values.get('Symbol')!r}")
    if values.get("Time Zone") != ZONE:
        raise BadPayload(SOURCE, symbol, f"the answer's time zone is {values.get('Time Zone')!r}, expected {ZONE!r}")


def _bar_row(day: date, row: dict[str, str]) -> BarRow:
    values = {key.partition(". ")[2]: value for key, value in row.items()}

    def number(name: str) -> float | None:
        return float(values[name]) if name in values else None

    return BarRow(
        day=day,
        open=number("open"),
        high=number("high"),
        low=number("low"),
        close=number("close"),
        volume=int(values["volume"]),
        adj_close=number("adjusted close"),
        dividend=number("dividend amount"),
        split_ratio=number("split coefficient"),
    )
