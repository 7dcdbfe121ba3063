"""Source `yahoo`: quotes of up to 50 symbols a call."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from stockpipe.common.clock import Clock
from stockpipe.producer.sources.bars import major_unit
from stockpipe.producer.sources.base import Fetch, Payload, QuoteAnswer, refused_with
from stockpipe.producer.sources.errors import BadPayload, SourceError
from stockpipe.producer.sources.observed import Observed, to_answer
from stockpipe.producer.sources.volumes import Volumes
from stockpipe.producer.sources.yahoo_client import SOURCE, YahooClient
from stockpipe.producer.symbols import Instrument

SYMBOLS_PER_CALL = 50


class _Quote(msgspec.Struct, rename="camel"):
    symbol: str
    currency: str | None = None
    regular_market_price: float | None = None
    regular_market_time: int | None = None
    regular_market_volume: int | None = None
    bid: float | None = None
    ask: float | None = None


class _Response(msgspec.Struct):
    result: list[msgspec.Raw]


class _Answer(msgspec.Struct, rename="camel"):
    quote_response: _Response


class YahooQuotes:
    """Each symbol's last trade in the regular session, with the time of the trade."""

    name = SOURCE
    symbols_per_call = SYMBOLS_PER_CALL

    def __init__(
        self, client: YahooClient, instruments: Mapping[str, Instrument], volumes: Volumes, clock: Clock
    ) -> None:
        self._client = client
        self._instruments = instruments
        self._volumes = volumes
        self._clock = clock

    def quotes(self, symbols: Sequence[str], at: datetime, fetch: Fetch) -> QuoteAnswer:
        asked = {symbol: self._instruments[symbol] for symbol in symbols}
        payload = self.fetch_quotes(symbols)
        with refused_with(payload):
            observed, failed = parse_quotes(asked, payload)
        return to_answer(SOURCE, payload.request, observed, failed, asked, self._volumes, fetch, self._clock.now())

    def fetch_quotes(self, symbols: Sequence[str]) -> Payload:
        """Ask Yahoo.

        Raises:
            SourceError: no usable answer.
        """
        request = f"yahoo quote {','.join(symbols)}"
        return Payload(request, self._client.quotes(tuple(symbols)))


def parse_quotes(asked: Mapping[str, Instrument], payload: Payload) -> tuple[list[Observed], dict[str, SourceError]]:
    """Return what the payload says of the symbols asked for, and what is wrong with the others. Pure.

    Raises:
        BadPayload: the payload can't be understood as a whole.
    """
    try:
        raw = msgspec.json.decode(payload.body, type=_Answer).quote_response.result
    except msgspec.DecodeError as error:
        raise BadPayload(SOURCE, None, f"quotes can't be read: {error}") from error
    observed: dict[str, Observed] = {}
    failed: dict[str, SourceError] = {}
    for part in raw:
        try:
            quote = msgspec.json.decode(part, type=_Quote)
        except msgspec.ValidationError as error:
            symbol = str(msgspec.json.decode(part).get("symbol"))
            failed[symbol] = BadPayload(SOURCE, symbol, f"quote can't be read: {error}")
            continue
        if quote.symbol not in asked or quote.symbol in observed:
            continue
        try:
            observed[quote.symbol] = _observed(asked[quote.symbol], quote)
        except BadPayload as error:
            failed[quote.symbol] = error
    return list(observed.values()), {symbol: error for symbol, error in failed.items() if symbol in asked}


def _observed(instrument: Instrument, quote: _Quote) -> Observed:
    if quote.regular_market_price is None or quote.regular_market_time is None:
        raise BadPayload(SOURCE, quote.symbol, "the quote has no price or no time")
    currency, divisor = major_unit(SOURCE, instrument, quote.currency)
    return Observed(
        symbol=quote.symbol,
        at=datetime.fromtimestamp(quote.regular_market_time, UTC),
        price=quote.regular_market_price / divisor,
        currency=currency,
        day_volume=quote.regular_market_volume,
        bid=quote.bid and quote.bid / divisor,
        ask=quote.ask and quote.ask / divisor,
    )
