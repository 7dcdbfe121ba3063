"""Exchange sessions: which days an exchange trades, and from when to when (UTC).

Besides ISO 10383 codes there are the calendars `24/7` (crypto currencies) and `24/5` (foreign exchange).
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from stockpipe.common.contracts.fields import MarketSession
from stockpipe.common.errors import ConfigError

FIRST_DAY = "1990-01-01"
PRE_MARKET = timedelta(hours=5, minutes=30)
"""How long before the open trading begins on US exchanges, 4:00 New York time."""
POST_MARKET = timedelta(hours=4)
"""How long it goes on after the close there, on half days too."""
CLOSING = timedelta(minutes=1)
_EXTENDED_HOURS = {"XNYS", "XNAS"}


@dataclass(frozen=True)
class Session:
    """One trading day: its date on the exchange, its open and close in UTC."""

    day: date
    open: datetime
    close: datetime


@lru_cache(maxsize=64)
def _calendar(exchange: str) -> Any:
    import exchange_calendars  # takes seconds to import; commands that need no calendar don't pay

    try:
        return exchange_calendars.get_calendar(exchange, start=FIRST_DAY)
    except exchange_calendars.errors.InvalidCalendarName as error:
        raise ConfigError(f"exchange {exchange!r} is unknown; give an ISO 10383 code such as XNYS") from error
    except ValueError:
        # A few exchanges, Tokyo for one, aren't known that far back; without a start it is 20 years.
        return exchange_calendars.get_calendar(exchange)


def session(exchange: str, day: date) -> Session | None:
    """Return the exchange's session of `day`, None on a day without trading.

    Raises:
        ConfigError: the exchange or the day is outside the calendar.
    """
    calendar = _calendar(exchange)
    label = day.isoformat()
    if not calendar.first_session.date() <= day <= calendar.last_session.date():
        raise ConfigError(f"day {label} is outside the calendar of {exchange}")
    if not calendar.is_session(label):
        return None
    return Session(
        day,
        calendar.session_open(label).to_pydatetime().astimezone(UTC),
        calendar.session_close(label).to_pydatetime().astimezone(UTC),
    )


def is_open(exchange: str, instant: datetime) -> bool:
    """Return whether the exchange trades at `instant`."""
    return bool(_calendar(exchange).is_open_on_minute(instant, ignore_breaks=True))


def is_trading(exchange: str, instant: datetime) -> bool:
    """Return whether the exchange trades at `instant` or did a minute before: the closing auction comes late."""
    return is_open(exchange, instant) or is_open(exchange, instant - CLOSING)


def next_open(exchange: str, instant: datetime) -> datetime:
    """Return the first session open after `instant`, UTC."""
    found: datetime = _calendar(exchange).next_open(instant).to_pydatetime()
    return found.astimezone(UTC)


def trailing_session(exchange: str, day: date, count: int) -> date:
    """Return the first of the last `count` sessions up to `day`, which counts if it is one.

    Raises:
        ConfigError: the exchange, the day or that session is outside the calendar.
    """
    calendar = _calendar(exchange)
    label = day.isoformat()
    if not calendar.first_session.date() <= day <= calendar.last_session.date():
        raise ConfigError(f"day {label} is outside the calendar of {exchange}")
    last = calendar.date_to_session(label, direction="previous")
    try:
        first: date = calendar.sessions_window(last, -count)[0].date()
    except ValueError as error:
        raise ConfigError(f"{exchange} has fewer than {count} sessions from {FIRST_DAY} to {label}") from error
    return first


@lru_cache(maxsize=1024)
def sessions(exchange: str, first: date, last: date) -> tuple[Session, ...]:
    """Return the exchange's sessions from `first` to `last`, both included; days outside the calendar have none."""
    calendar = _calendar(exchange)
    first, last = max(first, calendar.first_session.date()), min(last, calendar.last_session.date())
    if first > last:
        return ()
    found = calendar.schedule.loc[first.isoformat() : last.isoformat(), ["open", "close"]]
    return tuple(
        Session(label.date(), opens.to_pydatetime().astimezone(UTC), closes.to_pydatetime().astimezone(UTC))
        for label, opens, closes in found.itertuples()
    )


def trading_minutes(exchange: str, each: Session) -> tuple[datetime, ...]:
    """Return when each minute of the session begins, UTC; a lunch break is no part of it."""
    minutes = _calendar(exchange).session_minutes(each.day.isoformat())
    return tuple(minute.to_pydatetime().astimezone(UTC) for minute in minutes if each.open <= minute < each.close)


@lru_cache(maxsize=64)
def time_zone(exchange: str) -> ZoneInfo:
    """Return the zone of the exchange's session dates."""
    return ZoneInfo(_calendar(exchange).tz.key)


def market_session(exchange: str, instant: datetime) -> MarketSession:
    """Return the part of the trading day that `instant` is in; only US exchanges have `pre` and `post`."""
    day = instant.astimezone(time_zone(exchange)).date()
    for each in sessions(exchange, day, day):
        if each.open <= instant <= each.close:
            return "regular"
        if exchange in _EXTENDED_HOURS and each.open - PRE_MARKET <= instant < each.open:
            return "pre"
        if exchange in _EXTENDED_HOURS and each.close < instant <= each.close + POST_MARKET:
            return "post"
    return "closed"


def open_seconds(exchange: str, start: datetime, end: datetime) -> float:
    """Return for how many seconds between `start` and `end` the exchange was in a regular session."""
    days = sessions(exchange, (start - timedelta(days=1)).date(), (end + timedelta(days=1)).date())
    overlaps = (min(each.close, end) - max(each.open, start) for each in days)
    return sum(max(0.0, overlap.total_seconds()) for overlap in overlaps)
