"""`quote.v1`: one price of one symbol at one instant."""

import msgspec

from stockpipe.common.contracts.fields import (
    Currency,
    Identifier,
    Instant,
    MarketSession,
    Mic,
    Origin,
    Price,
    SourceName,
    Symbol,
    Volume,
    origin_fault,
)
from stockpipe.common.times import is_instant

SCHEMA = "quote.v1"


class Quote(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One quote. `volume` is what traded since this symbol's previous quote."""

    symbol: Symbol
    event_time: Instant
    price: Price
    volume: Volume
    bid: Price | None = None
    ask: Price | None = None
    session: MarketSession
    currency: Currency
    source: SourceName
    origin: Origin
    fetched_at: Instant
    fetch_id: Identifier
    exchange: Mic | None = None


def fault(quote: Quote) -> str | None:
    """Return the first field of `quote` whose text is out of form, with its value; None if there is none."""
    if not is_instant(quote.event_time):
        return f"event_time {quote.event_time!r}"
    return origin_fault(quote.symbol, quote.currency, quote.exchange, quote.source, quote.fetched_at, quote.fetch_id)
