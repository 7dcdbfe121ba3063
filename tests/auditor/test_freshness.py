"""Staleness counts the exchange's open time only."""

from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pytest

from stockpipe.auditor.freshness import market_staleness
from stockpipe.common.contracts.tables import DAILY_STOCK_METRICS, REALTIME_STOCK_ANALYTICS, Table
from support.long_run import MemoryReader
from support.processed import daily_row, window_row

HOUR = 3600.0
SESSION = 6.5 * HOUR


def staleness(table: Table, row: dict[str, Any] | None, now: str, exchange: str = "XNYS") -> float | None:
    reader = MemoryReader()
    if row:
        naive = {
            name: value.replace(tzinfo=None) if isinstance(value, datetime) else value for name, value in row.items()
        }
        reader.insert(table, pa.Table.from_pylist([naive], table.arrow_schema))
    return market_staleness(reader, table, exchange, datetime.fromisoformat(now).replace(tzinfo=UTC))


@pytest.mark.parametrize(
    ("event", "now", "seconds"),
    [
        ("2026-11-24T15:00", "2026-11-24T15:10", 600),
        ("2026-11-24T20:55", "2026-11-25T14:30", 300),  # a night
        ("2026-11-20T20:55", "2026-11-23T14:40", 900),  # a weekend
        ("2026-11-25T20:55", "2026-11-27T14:30", 300),  # Thanksgiving
        ("2026-11-27T17:55", "2026-11-27T23:00", 300),  # a half day, closed at 18:00 UTC
        ("2026-11-27T17:55", "2026-11-30T14:35", 600),
        ("2026-11-24T15:00", "2026-11-24T14:59", 0),  # the source's clock is ahead
    ],
)
def test_nights_weekends_holidays_and_half_days_add_nothing(event: str, now: str, seconds: float) -> None:
    row = window_row(last_event_time=datetime.fromisoformat(event).replace(tzinfo=UTC))
    assert staleness(REALTIME_STOCK_ANALYTICS, row, now) == seconds


def test_a_session_s_row_is_as_new_as_its_close() -> None:
    row = daily_row(date=date(2026, 11, 23))
    assert staleness(DAILY_STOCK_METRICS, row, "2026-11-23T20:00") == 0
    assert staleness(DAILY_STOCK_METRICS, row, "2026-11-24T15:30") == HOUR
    assert staleness(DAILY_STOCK_METRICS, row, "2026-11-25T10:00") == SESSION


def test_a_year_s_gap_and_another_exchange_are_counted() -> None:
    row = daily_row(date=date(2025, 11, 24))
    assert (staleness(DAILY_STOCK_METRICS, row, "2026-11-24T14:30") or 0) == pytest.approx(250 * SESSION, rel=0.01)
    window = window_row(last_event_time=datetime(2026, 11, 24, 9, 0, tzinfo=UTC))
    assert staleness(REALTIME_STOCK_ANALYTICS, window, "2026-11-24T10:00", "XLON") == HOUR
    assert staleness(REALTIME_STOCK_ANALYTICS, window, "2026-11-24T10:00", "XNYS") == 0


def test_an_empty_table_has_no_staleness() -> None:
    assert staleness(DAILY_STOCK_METRICS, None, "2026-11-24T15:30") is None
