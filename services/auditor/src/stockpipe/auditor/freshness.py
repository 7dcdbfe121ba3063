"""How stale a table is, by the exchange's own time."""

from datetime import UTC, date, datetime, time, timedelta

from stockpipe.common import calendar
from stockpipe.common.contracts.tables import Table
from stockpipe.common.warehouse.reader import WarehouseReader


def market_staleness(reader: WarehouseReader, table: Table, exchange: str, now: datetime) -> float | None:
    """Return how many seconds the exchange was open since the table's newest event, None for an empty table.

    Nights, weekends and holidays add nothing. A row of a session date is as new as that session's close.

    Raises:
        ConfigError: the exchange is unknown.
        PipelineError: the warehouse can't be read.
    """
    newest = reader.query(f"SELECT MAX({table.event}) AS newest FROM {reader.qualified(table)}").column(0)[0].as_py()
    return None if newest is None else calendar.open_seconds(exchange, _end(newest, exchange), now)


def _end(event: datetime | date, exchange: str) -> datetime:
    if isinstance(event, datetime):
        return event.replace(tzinfo=UTC)
    midnight = datetime.combine(event + timedelta(days=1), time(), UTC)
    return next((each.close for each in calendar.sessions(exchange, event, event)), midnight)
