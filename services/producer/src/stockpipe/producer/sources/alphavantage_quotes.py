"""Source `alphavantage`: quotes of US shares from one-minute bars; needs a premium plan."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from stockpipe.common.clock import Clock
from stockpipe.producer.sources.alphavantage_bars import US_EXCHANGES, ZONE, check_meta
from stockpipe.producer.sources.alphavantage_client import META, SOURCE, AlphaVantageClient
from stockpipe.producer.sources.base import Fetch, Payload, QuoteAnswer, refused_with
from stockpipe.producer.sources.errors import BadPayload, NoData
from stockpipe.producer.sources.observed import Observed, to_answer
from stockpipe.producer.sources.volumes import Volumes
from stockpipe.producer.symbols import Instrument

SERIES = "Time Series (1min)"
_STAMP = "%Y-%m-%d %H:%M:%S"


class AlphaVantageQuotes:
    """The close of each symbol's newest minute; absent minutes had no trades. The day's volume so far isn't known."""

    name = SOURCE
    symbols_per_call = 1

    def __init__(
        self, client: AlphaVantageClient, instruments: Mapping[str, Instrument], volumes: Volumes, clock: Clock
    ) -> None:
        self._client = client
        self._instruments = instruments
        self._volumes = volumes
        self._clock = clock

    def quotes(self, symbols: Sequence[str], at: datetime, fetch: Fetch) -> QuoteAnswer:
        (symbol,) = symbols
        instrument = self._instruments[symbol]
        if instrument.exchange not in US_EXCHANGES:
            raise NoData(SOURCE, symbol, f"only US shares are asked of Alpha Vantage, not {instrument.exchange}")
        body = self._client.ask(
            symbol,
            SERIES,
            function="TIME_SERIES_INTRADAY",
            interval="1min",
            outputsize="compact",
            extended_hours="false",
            entitlement="realtime",
        )
        payload = Payload(f"alphavantage TIME_SERIES_INTRADAY {symbol} interval=1min", body)
        with refused_with(payload):
            observed = parse_minutes(instrument, payload, at)
        return to_answer(
            SOURCE, payload.request, [observed], {}, {symbol: instrument}, self._volumes, fetch, self._clock.now()
        )


def parse_minutes(instrument: Instrument, payload: Payload, at: datetime) -> Observed:
    """Return the newest minute that ends by `at`, the last moment of which is the price's time. Pure.

    Raises:
        BadPayload: the payload can't be understood.
        NoData: it holds no such minute.
    """
    symbol = instrument.symbol
    try:
        answer = msgspec.json.decode(payload.body)
        check_meta(symbol, answer[META])
        ends = {
            datetime.strptime(stamp, _STAMP).replace(tzinfo=ZoneInfo(ZONE)).astimezone(UTC) + timedelta(minutes=1): row
            for stamp, row in answer[SERIES].items()
        }
        newest = max((end for end in ends if end <= at), default=None)
        if newest is None:
            raise NoData(SOURCE, symbol, "no minute has ended yet")
        return Observed(symbol, newest, float(ends[newest]["4. close"]), instrument.currency or "USD")
    except (msgspec.DecodeError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise BadPayload(SOURCE, symbol, f"minute can't be read: {error!r}") from error
