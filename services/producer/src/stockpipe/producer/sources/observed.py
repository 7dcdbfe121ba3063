"""What a source says about a symbol now, and how it becomes a quote."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from stockpipe.common import calendar
from stockpipe.common.contracts.decode import FUTURE_TOLERANCE
from stockpipe.common.contracts.fields import MAX_PRICE
from stockpipe.common.contracts.quote import Quote
from stockpipe.common.times import to_text
from stockpipe.producer.sources.base import Fetch, QuoteAnswer
from stockpipe.producer.sources.errors import BadPayload, NoData, SourceError
from stockpipe.producer.sources.volumes import Seen, Volumes
from stockpipe.producer.symbols import Instrument


@dataclass(frozen=True)
class Observed:
    """A price at an instant, in major currency units; `day_volume` is the session's so far, None if unknown."""

    symbol: str
    at: datetime
    price: float
    currency: str
    day_volume: int | None = None
    bid: float | None = None
    ask: float | None = None


def to_answer(
    source: str,
    request: str,
    observed: Sequence[Observed],
    failed: Mapping[str, SourceError],
    instruments: Mapping[str, Instrument],
    volumes: Volumes,
    fetch: Fetch,
    now: datetime,
) -> QuoteAnswer:
    """Return the quotes of what was observed; what is no newer than the symbol's last quote is no new quote.

    `now` is when the answer had come: what lies after it is in the future.
    """
    quotes, unchanged, failures = [], [], dict(failed)
    for each in observed:
        instrument = instruments[each.symbol]
        if wrong := _fault(source, each, instrument, now):
            failures[each.symbol] = wrong
            continue
        day = each.at.astimezone(calendar.time_zone(instrument.exchange)).date()
        growth = volumes.growth(each.symbol, Seen(day, each.day_volume, to_text(each.at)))
        if growth is None:
            unchanged.append(each.symbol)
        else:
            quotes.append(_quote(source, each, instrument, growth, fetch))
    volumes.save(fetch.at)
    for symbol in instruments.keys() - {each.symbol for each in observed} - failures.keys():
        failures[symbol] = NoData(source, symbol, "the answer has nothing about it")
    return QuoteAnswer(request, quotes, frozenset(unchanged), failures)


def _fault(source: str, each: Observed, instrument: Instrument, now: datetime) -> SourceError | None:
    if each.at > now + FUTURE_TOLERANCE:
        return BadPayload(source, each.symbol, f"its time {to_text(each.at)} is in the future")
    if not 0 < each.price <= MAX_PRICE or (each.day_volume or 0) < 0:
        return BadPayload(source, each.symbol, f"price {each.price} or volume {each.day_volume} is out of bounds")
    if instrument.currency is not None and each.currency != instrument.currency:
        return BadPayload(source, each.symbol, f"currency {each.currency!r}, expected {instrument.currency}")
    return None


def _quote(source: str, each: Observed, instrument: Instrument, growth: int, fetch: Fetch) -> Quote:
    return Quote(
        symbol=each.symbol,
        event_time=to_text(each.at),
        price=each.price,
        volume=growth,
        bid=each.bid or None,
        ask=each.ask or None,
        session=calendar.market_session(instrument.exchange, each.at),
        currency=each.currency,
        source=source,
        origin="live",
        fetched_at=fetch.at,
        fetch_id=fetch.id,
    )
