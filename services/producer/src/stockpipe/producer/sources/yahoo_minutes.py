"""Source `yahoo`: the last price of each minute, to fill gaps between quotes."""

from datetime import UTC, datetime, timedelta

from stockpipe.common import calendar
from stockpipe.common.clock import Clock
from stockpipe.common.contracts.fields import MAX_PRICE, MAX_VOLUME
from stockpipe.common.contracts.quote import Quote
from stockpipe.common.times import to_text
from stockpipe.producer.sources.base import BarQuery, Fetch, Payload
from stockpipe.producer.sources.yahoo_bars import read_chart
from stockpipe.producer.sources.yahoo_client import SOURCE, YahooClient

END_OF_MINUTE = timedelta(seconds=59, milliseconds=999)
"""When in its minute a last price is said to be: the trade's own time isn't known."""


class YahooMinutes:
    """Bars of one minute, one symbol a call; they reach back 30 days."""

    name = SOURCE

    def __init__(self, client: YahooClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock

    def fetch_minutes(self, query: BarQuery) -> Payload:
        """Ask Yahoo.

        Raises:
            SourceError: no usable answer; NoData without a request for days that are too long ago.
        """
        zone = calendar.time_zone(query.exchange)
        today = self._clock.now().astimezone(zone).date()
        body = self._client.chart(query.symbol, zone, "1m", query.first, query.last, today=today)
        return Payload(f"yahoo chart {query.symbol} interval=1m {query.first}..{query.last}", body)


def parse_minutes(query: BarQuery, payload: Payload, fetch: Fetch) -> dict[datetime, Quote]:
    """Return a quote of each minute, by when the minute began: its last price and its volume. Pure.

    Minutes without a trade, or with a price or volume out of bounds, are left out.

    Raises:
        BadPayload: the payload can't be understood.
    """
    chart, currency, divisor = read_chart(query, payload)
    quotes = {}
    for row in chart.rows:
        volume = row.volume or 0
        if row.close is None or not 0 < row.close / divisor <= MAX_PRICE or not 0 <= volume <= MAX_VOLUME:
            continue
        begins = datetime.fromtimestamp(row.time - row.time % 60, UTC)
        at = begins + END_OF_MINUTE
        quotes[begins] = Quote(
            symbol=query.symbol,
            event_time=to_text(at),
            price=row.close / divisor,
            volume=volume,
            session=calendar.market_session(query.exchange, begins),
            currency=currency,
            source=SOURCE,
            origin="backfill",
            fetched_at=fetch.at,
            fetch_id=fetch.id,
        )
    return quotes
