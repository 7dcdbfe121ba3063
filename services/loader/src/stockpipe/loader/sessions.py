"""Whether a batch of daily rows has every session of each symbol's exchange."""

from bisect import bisect_left, bisect_right
from contextlib import suppress
from datetime import date
from itertools import groupby

from stockpipe.common import calendar
from stockpipe.common.errors import ConfigError
from stockpipe.loader.warehouse import STAGED, Session

_SPANS = (
    f"SELECT exchange, MIN(date), MAX(date), COUNT(*) FROM {STAGED} "
    "WHERE exchange IS NOT NULL AND date IS NOT NULL GROUP BY exchange, symbol ORDER BY exchange"
)
_Span = tuple[date, date, int]


def missing_sessions(session: Session) -> int:
    """Return how many sessions between each symbol's first and last row in BATCH_IN have no row.

    Rows without an exchange, or with one that has no calendar, can't be judged. A row that is there twice makes up for
    a missing one: such a batch is refused anyhow, and telling them apart costs a tenth of a load.
    """
    by_exchange = groupby(session.fetch(_SPANS), key=lambda span: span[0])
    return sum(
        _missing(exchange, [(first, last, rows) for _, first, last, rows in spans]) for exchange, spans in by_exchange
    )


def _missing(exchange: str, spans: list[_Span]) -> int:
    with suppress(ConfigError):
        found = calendar.sessions(exchange, min(span[0] for span in spans), max(span[1] for span in spans))
        days = [each.day for each in found]
        return sum(max(0, bisect_right(days, last) - bisect_left(days, first) - rows) for first, last, rows in spans)
    return 0
