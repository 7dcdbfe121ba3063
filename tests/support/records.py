"""Valid records to start from."""

from typing import Any

import msgspec

from stockpipe.common.contracts.corporate_action import CorporateAction
from stockpipe.common.contracts.daily_bar import DailyBar
from stockpipe.common.contracts.decode import Record
from stockpipe.common.contracts.quote import Quote


def quote(**changes: Any) -> Quote:
    values: dict[str, Any] = {
        "symbol": "AAPL",
        "event_time": "2026-11-23T14:30:00.000Z",
        "price": 187.25,
        "volume": 1200,
        "session": "regular",
        "currency": "USD",
        "source": "sample",
        "origin": "simulated",
        "fetched_at": "2026-11-23T14:30:00.250Z",
        "fetch_id": "sample-20261123T143000250Z-1a2b3c",
    }
    return Quote(**(values | changes))


def bar(**changes: Any) -> DailyBar:
    values: dict[str, Any] = {
        "symbol": "AAPL",
        "date": "2026-11-20",
        "open": 180.0,
        "high": 190.0,
        "low": 175.0,
        "close": 185.0,
        "adj_close": 184.0,
        "volume": 1_000_000,
        "currency": "USD",
        "source": "sample",
        "origin": "backfill",
        "is_final": True,
        "fetched_at": "2026-11-23T14:30:00.250Z",
        "fetch_id": "sample-20261123T143000250Z-1a2b3c",
        "batch_id": "20261123T143000Z-daily",
    }
    return DailyBar(**(values | changes))


def action(symbol: str, ex_date: str, **changes: Any) -> CorporateAction:
    """Return a split of this `ratio` or a dividend of this `amount`."""
    values: dict[str, Any] = {
        "symbol": symbol,
        "ex_date": ex_date,
        "kind": "split" if "ratio" in changes else "dividend",
        "currency": "USD",
        "source": "yahoo",
        "origin": "backfill",
        "fetched_at": "2026-11-23T14:30:00.250Z",
        "fetch_id": "yahoo-20261123T143000250Z-1a2b3c",
        "batch_id": "20261123T143000Z-daily",
    }
    return CorporateAction(**(values | changes))


def as_dict(record: Record) -> dict[str, Any]:
    """Return the record's JSON object, to break it."""
    fields: dict[str, Any] = msgspec.to_builtins(record)
    return fields
