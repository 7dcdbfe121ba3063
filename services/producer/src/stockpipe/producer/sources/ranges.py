"""How far back Yahoo's intervals reach, and how much of them one request may ask for."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Literal

from stockpipe.producer.sources.errors import NoData

Interval = Literal["1m", "2m", "5m", "15m", "30m", "60m", "1h", "1d"]

# interval: days a request may span, days it may reach back
_LIMITS: dict[Interval, tuple[int, int]] = {
    "1m": (7, 30),
    "2m": (60, 60),
    "5m": (60, 60),
    "15m": (60, 60),
    "30m": (60, 60),
    "60m": (730, 730),
    "1h": (730, 730),
}


def plan_ranges(
    source: str, symbol: str, interval: Interval, first: date, last: date, today: date
) -> Iterator[tuple[date, date]]:
    """Yield the ranges, both ends included, that requests for `first` to `last` must be cut into.

    Raises:
        NoData: the interval doesn't reach back to `first`; no request is made for it.
    """
    if interval not in _LIMITS:
        yield first, last
        return
    span, reach = _LIMITS[interval]
    oldest = today - timedelta(days=reach - 1)
    if first < oldest:
        raise NoData(
            source, symbol, f"bars of {interval} reach back {reach} days, to {oldest}, not to {first}; ask for fewer"
        )
    while first <= last:
        end = min(last, first + timedelta(days=span - 1))
        yield first, end
        first = end + timedelta(days=1)
