"""`quote.v1`: one price of one symbol at one instant."""

import msgspec

from stockpipe.common.contracts.fields import (
    CURRENCY_PATTERN,
    ID_PATTERN,
    NAME_PATTERN,
    SYMBOL_PATTERN,
    Currency,
    Identifier,
    Instant,
    MarketSession,
    Origin,
    Price,
    SourceName,
    Symbol,
    Volume,
    check_text,
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


def fault(quote: Quote) -> str | None:
    """Return the first field of `quote` whose text is out of form, with its value; None if there is none."""
    if not is_instant(quote.event_time):
        return f"event_time {quote.event_time!r}"
    if not check_text(SYMBOL_PATTERN, quote.symbol):
        return f"symbol {quote.symbol!r}"
    if not check_text(CURRENCY_PATTERN, quote.currency):
        return f"currency {quote.currency!r}"
    if not check_text(NAME_PATTERN, quote.source):
        return f"source {quote.source!r}"
    if not is_instant(quote.fetched_at):
        return f"fetched_at {quote.fetched_at!r}"
    if not check_text(ID_PATTERN, quote.fetch_id):
        return f"fetch_id {quote.fetch_id!r}"
    return None
