"""`daily_bar.v1`: the OHLCV bar of one symbol and one exchange session."""

import msgspec

from stockpipe.common.contracts.fields import (
    ID_PATTERN,
    Currency,
    Date,
    Dividend,
    Identifier,
    Instant,
    Mic,
    Origin,
    Price,
    SourceName,
    SplitRatio,
    Symbol,
    Volume,
    check_text,
    origin_fault,
)
from stockpipe.common.times import is_date

SCHEMA = "daily_bar.v1"


class DailyBar(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One daily bar, prices as traded on that day. A field that the source doesn't give is None, never 0."""

    symbol: Symbol
    date: Date
    open: Price
    high: Price
    low: Price
    close: Price
    adj_close: Price | None = None
    volume: Volume
    dividend: Dividend | None = None
    split_ratio: SplitRatio | None = None
    currency: Currency
    source: SourceName
    origin: Origin
    is_final: bool
    fetched_at: Instant
    fetch_id: Identifier
    batch_id: Identifier
    exchange: Mic | None = None


def fault(bar: DailyBar) -> str | None:
    """Return the first field of `bar` that is out of form or order, with its value; None if there is none."""
    if not is_date(bar.date):
        return f"date {bar.date!r}"
    if not (bar.low <= bar.open <= bar.high and bar.low <= bar.close <= bar.high):
        return f"open {bar.open}, high {bar.high}, low {bar.low}, close {bar.close}: want low <= open, close <= high"
    if not check_text(ID_PATTERN, bar.batch_id):
        return f"batch_id {bar.batch_id!r}"
    return origin_fault(bar.symbol, bar.currency, bar.exchange, bar.source, bar.fetched_at, bar.fetch_id)
