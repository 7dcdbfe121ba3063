"""How new the rows of the staged batch are."""

from datetime import UTC, date, datetime, time

from stockpipe.common.contracts.tables import Table
from stockpipe.loader.warehouse import STAGED, Session


def newest_events(session: Session, table: Table) -> list[datetime]:
    """Return each symbol's newest event in BATCH_IN, UTC; a session date counts from its midnight."""
    rows = session.fetch(f"SELECT symbol, MAX({table.event}) FROM {STAGED} GROUP BY symbol")
    return [_instant(event) for _symbol, event in rows]


def _instant(event: datetime | date) -> datetime:
    moment = event if isinstance(event, datetime) else datetime.combine(event, time())
    return moment.replace(tzinfo=UTC)
