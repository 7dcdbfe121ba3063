"""Whether a batch of daily rows has every session of each symbol's exchange."""

from contextlib import suppress
from datetime import date

from stockpipe.common import calendar
from stockpipe.common.errors import ConfigError
from stockpipe.loader.warehouse import STAGED, Session

_SPANS = (
    f"SELECT exchange, MIN(date), MAX(date), COUNT(DISTINCT date) FROM {STAGED} "
    "WHERE exchange IS NOT NULL AND date IS NOT NULL GROUP BY exchange, symbol"
)


def missing_sessions(session: Session) -> int:
    """Return how many sessions between each symbol's first and last row in BATCH_IN have no row.

    Rows without an exchange, or with one that has no calendar, can't be judged.
    """
    return sum(_missing(*span) for span in session.fetch(_SPANS))


def _missing(exchange: str, first: date, last: date, rows: int) -> int:
    with suppress(ConfigError):
        return max(0, len(calendar.sessions(exchange, first, last)) - rows)
    return 0
