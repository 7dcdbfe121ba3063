"""The list of symbols: each one's last price, its change, and a few prices before it."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import msgspec

from stockpipe.common.contracts.tables import DAILY_STOCK_METRICS, REALTIME_STOCK_ANALYTICS
from stockpipe.common.warehouse.reader import WarehouseReader

POINTS = 40
"""Prices of a sparkline."""
LEAST_WINDOWS = 8
"""With fewer of them the sparkline is of sessions."""
WINDOW_DAYS = timedelta(days=4)
"""Windows older than the newest one by more than this don't tell a symbol's price; its last session does."""
CLOSE_DAYS = timedelta(days=7)
"""A close longer ago than this isn't the previous one."""


class SymbolNow(msgspec.Struct, frozen=True, kw_only=True):
    """A symbol as it is now. Prices are in its currency, `change_pct` in percent, times UTC.

    `price` is from `source` as of `as_of`: the newest window's last quote, or the last session's close. `change` is
    since `change_from`: the close before, or the day's first price where no close is that new.
    """

    symbol: str
    price: float
    as_of: datetime
    source: str
    change: float | None
    change_pct: float | None
    change_from: str | None
    volume: int
    exchange: str | None
    spark: list[float]


def read_board(reader: WarehouseReader) -> dict[str, SymbolNow]:
    """Return every symbol of the warehouse as it is now, by its name, in order."""
    sessions = _grouped(_rows(reader, _SESSIONS, DAILY_STOCK_METRICS, POINTS))
    newest = _rows(reader, "SELECT MAX(window_end) AS newest FROM {table}", REALTIME_STOCK_ANALYTICS)[0]["newest"]
    windows: dict[str, list[dict[str, Any]]] = {}
    if newest is not None:
        windows = _grouped(_rows(reader, _WINDOWS, REALTIME_STOCK_ANALYTICS, newest - WINDOW_DAYS, POINTS))
    return {
        symbol: _symbol(symbol, windows.get(symbol, []), sessions.get(symbol, []))
        for symbol in sorted(sessions.keys() | windows.keys())
    }


_SESSIONS = """
SELECT symbol, date, daily_close, daily_change, daily_change_pct, daily_volume, exchange FROM {table}
QUALIFY ROW_NUMBER() OVER (PARTITION BY symbol ORDER BY date DESC) <= ? ORDER BY symbol, date
"""
_WINDOWS = """
SELECT symbol, window_start, last_event_time, open, close, volume_sum_15m FROM {table} WHERE window_start >= ?
QUALIFY ROW_NUMBER() OVER (PARTITION BY symbol ORDER BY window_start DESC) <= ? ORDER BY symbol, window_start
"""


def _rows(reader: WarehouseReader, sql: str, table: Any, *parameters: Any) -> list[dict[str, Any]]:
    found = reader.query(sql.format(table=reader.qualified(table)), parameters)
    rows: list[dict[str, Any]] = found.rename_columns([name.lower() for name in found.column_names]).to_pylist()
    return rows


def _grouped(rows: Iterable[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row["symbol"], []).append(row)
    return groups


def _symbol(symbol: str, windows: list[dict[str, Any]], sessions: list[dict[str, Any]]) -> SymbolNow:
    exchange = sessions[-1]["exchange"] if sessions else None
    if windows and (not sessions or windows[-1]["last_event_time"].date() >= sessions[-1]["date"]):
        last = windows[-1]
        base, name = _base(windows, sessions)
        return SymbolNow(
            symbol=symbol,
            price=last["close"],
            as_of=last["last_event_time"].replace(tzinfo=UTC),
            source="realtime",
            change=last["close"] - base,
            change_pct=100 * (last["close"] / base - 1),
            change_from=name,
            volume=last["volume_sum_15m"],
            exchange=exchange,
            spark=[row["close"] for row in windows] if len(windows) >= LEAST_WINDOWS else _closes(sessions),
        )
    last = sessions[-1]
    return SymbolNow(
        symbol=symbol,
        price=last["daily_close"],
        as_of=datetime.combine(last["date"], time(), UTC),
        source="daily",
        change=last["daily_change"],
        change_pct=last["daily_change_pct"],
        change_from=None if last["daily_change"] is None else "previous_close",
        volume=last["daily_volume"],
        exchange=exchange,
        spark=_closes(sessions),
    )


def _closes(sessions: list[dict[str, Any]]) -> list[float]:
    return [row["daily_close"] for row in sessions]


def _base(windows: list[dict[str, Any]], sessions: list[dict[str, Any]]) -> tuple[float, str]:
    """Return the price that the change is counted from, and what it is."""
    day: date = windows[-1]["last_event_time"].date()
    closes = [row["daily_close"] for row in sessions if day - CLOSE_DAYS <= row["date"] < day]
    if closes:
        return closes[-1], "previous_close"
    first: float = next(row["open"] for row in windows if row["window_start"].date() >= day - timedelta(days=1))
    return first, "first_price"
