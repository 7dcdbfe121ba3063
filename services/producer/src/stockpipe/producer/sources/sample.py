"""Source `sample`: real daily bars, and simulated quotes along them."""

import csv
import hashlib
import io
import random
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache

from stockpipe.common import calendar
from stockpipe.common.contracts.daily_bar import DailyBar
from stockpipe.common.contracts.quote import Quote
from stockpipe.common.errors import ConfigError
from stockpipe.common.times import to_text
from stockpipe.producer.sources.base import BarQuery, Fetch, Parsed, Payload, QuoteAnswer
from stockpipe.producer.sources.errors import BadPayload, NoData
from stockpipe.producer.sources.intraday import Bar, Path, simulate
from stockpipe.producer.sources.sample_data import EXCHANGES, FIELDS, SOURCE, sample_rows

_SPREAD = 0.01
_LIVE_SESSIONS = 20


class SampleBars:
    """Daily bars of the sample packages."""

    name = SOURCE
    applies_splits = False

    def fetch_bars(self, query: BarQuery) -> Payload:
        rows = _rows_of(query.symbol)
        first, last = query.first.isoformat(), query.last.isoformat()
        text = io.StringIO()
        writer = csv.DictWriter(text, FIELDS)
        writer.writeheader()
        writer.writerows(row for row in rows if first <= row["Date"] <= last)
        return Payload(f"sample bars {query.symbol} {first}..{last}", text.getvalue().encode())

    def parse_bars(self, query: BarQuery, payload: Payload, fetch: Fetch) -> Parsed:
        rows = list(csv.DictReader(io.StringIO(payload.body.decode())))
        if not rows:
            raise NoData(SOURCE, query.symbol, f"no session between {query.first} and {query.last}")
        try:
            return Parsed([_daily_bar(query.symbol, row, fetch) for row in rows])
        except (KeyError, ValueError) as error:
            raise BadPayload(SOURCE, query.symbol, f"bar can't be read: {error}") from error


class SampleQuotes:
    """Quotes of one real session, simulated, at the session's own times; or a show of sessions re-dated to now."""

    name = SOURCE
    symbols_per_call = 1_000_000

    def __init__(
        self,
        symbols: Sequence[str],
        session: calendar.Session | None,
        exchange: str,
        interval: timedelta,
        seed: int,
    ) -> None:
        """Prepare to quote `symbols` every `interval`, in `session` or re-dated to now.

        Raises:
            NoData: a symbol isn't in the sample.
            ConfigError: the interval leaves too few ticks.
        """
        self._seed = seed
        self._interval = interval
        for symbol in symbols:
            _rows_of(symbol)
        self._sessions = [session] if session else _last_common_sessions(symbols, exchange)
        self._ticks = ticks_of(self._sessions[0], interval)
        self._redated = session is None
        self._round = 0

    def quotes(self, symbols: Sequence[str], at: datetime, fetch: Fetch) -> QuoteAnswer:
        if self._redated:
            index, tick = divmod(self._round, self._ticks)
            session = self._sessions[index % len(self._sessions)]
        else:
            session = self._sessions[0]
            tick = round((at - session.open) / self._interval)
        self._round += 1
        made = []
        for symbol in symbols:
            path = _path(symbol, session.day, self._ticks, self._seed)
            if path is not None:
                made.append(_quote(symbol, at, path.prices[tick], path.volumes[tick], fetch))
        request = f"sample quotes of {session.day} tick {tick} of {self._ticks}"
        if not made:
            raise NoData(SOURCE, None, f"no symbol traded on {session.day}")
        return QuoteAnswer(request, made)


def ticks_of(session: calendar.Session, interval: timedelta) -> int:
    """Return how many ticks a session has, open and close included.

    Raises:
        ConfigError: fewer than four.
    """
    ticks = int((session.close - session.open) / interval) + 1
    if ticks < 4:
        raise ConfigError(
            f"FETCH_INTERVAL_SECONDS={interval.total_seconds():g} leaves {ticks} quotes a session; want 4"
        )
    return ticks


def _rows_of(symbol: str) -> list[dict[str, str]]:
    rows = sample_rows()
    if symbol not in rows:
        raise NoData(SOURCE, symbol, f"unknown symbol; the sample has {', '.join(sorted(rows))}")
    return rows[symbol]


def _daily_bar(symbol: str, row: dict[str, str], fetch: Fetch) -> DailyBar:
    return DailyBar(
        symbol=symbol,
        date=row["Date"],
        open=float(row["Open"]),
        high=float(row["High"]),
        low=float(row["Low"]),
        close=float(row["Close"]),
        adj_close=float(row["Adj Close"]),
        volume=int(row["Volume"]),
        currency="USD",
        source=SOURCE,
        origin="backfill",
        is_final=True,
        fetched_at=fetch.at,
        fetch_id=fetch.id,
        batch_id=fetch.batch_id,
        exchange=EXCHANGES.get(symbol),
    )


def _last_common_sessions(symbols: Sequence[str], exchange: str) -> list[calendar.Session]:
    common = set.intersection(*({row["Date"] for row in _rows_of(symbol)} for symbol in symbols))
    days = [date.fromisoformat(text) for text in sorted(common)[-_LIVE_SESSIONS:]]
    sessions = [session for day in days if (session := calendar.session(exchange, day))]
    if not sessions:
        raise NoData(SOURCE, None, f"the sample has no session of {exchange} that {', '.join(symbols)} share")
    # Half days would have fewer ticks than the others.
    longest = max(session.close - session.open for session in sessions)
    return [session for session in sessions if session.close - session.open == longest]


@lru_cache(maxsize=1024)
def _path(symbol: str, day: date, ticks: int, seed: int) -> Path | None:
    row = next((row for row in _rows_of(symbol) if row["Date"] == day.isoformat()), None)
    if row is None:
        return None
    digest = hashlib.sha256(f"{seed} {symbol} {day}".encode()).digest()
    rng = random.Random(int.from_bytes(digest[:8], "big"))  # noqa: S311 - a simulation, repeatable by its seed
    open_, high, low, close = (float(row[name]) for name in ("Open", "High", "Low", "Close"))
    return simulate(Bar(open_, high, low, close, int(row["Volume"])), ticks, rng)


def _quote(symbol: str, at: datetime, price: float, volume: int, fetch: Fetch) -> Quote:
    return Quote(
        symbol=symbol,
        event_time=to_text(at),
        price=price,
        volume=volume,
        bid=round(price - _SPREAD, 6) if price > _SPREAD else None,
        ask=round(price + _SPREAD, 6),
        session="regular",
        currency="USD",
        source=SOURCE,
        origin="simulated",
        fetched_at=fetch.at,
        fetch_id=fetch.id,
        exchange=EXCHANGES.get(symbol),
    )
