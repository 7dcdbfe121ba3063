"""Exchange sessions: which days an exchange trades, and from when to when (UTC)."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any

from stockpipe.common.errors import ConfigError

FIRST_DAY = "1990-01-01"


@dataclass(frozen=True)
class Session:
    """One trading day: its date on the exchange, its open and close in UTC."""

    day: date
    open: datetime
    close: datetime


@lru_cache(maxsize=8)
def _calendar(exchange: str) -> Any:
    import exchange_calendars  # takes seconds to import; commands that need no calendar don't pay

    try:
        return exchange_calendars.get_calendar(exchange, start=FIRST_DAY)
    except exchange_calendars.errors.InvalidCalendarName as error:
        raise ConfigError(f"exchange {exchange!r} is unknown; give an ISO 10383 code such as XNYS") from error


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
