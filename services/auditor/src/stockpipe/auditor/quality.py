"""What the checks of batches found, as DATA_QUALITY_RESULTS has it."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from stockpipe.auditor.period import Period
from stockpipe.common.times import to_text
from stockpipe.common.warehouse.ledger import DATABASES
from stockpipe.common.warehouse.quality import data_quality_results
from stockpipe.common.warehouse.reader import WarehouseReader

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class CheckBooks:
    """One check of one dataset: how many batches broke it, by how many rows, and when last.

    `fail` kept those batches out of the warehouse, `warn` let them in.
    """

    dataset: str
    check: str
    severity: str
    batches: int
    rows: int
    last_at: str


def broken_checks(reader: WarehouseReader, period: Period) -> list[CheckBooks]:
    """Return the checks that found something in the batches that were checked in the period.

    Raises:
        PipelineError: the warehouse can't be read.
    """
    since, until = _bounds(period)
    found = []
    for database in DATABASES:
        rows = reader.query(
            'SELECT dataset, check_name, severity, COUNT(*) AS batches, SUM("rows") AS found, '
            f"MAX(checked_at) AS last_at FROM {reader.qualified(data_quality_results(database))} "
            "WHERE status <> 'passed' AND checked_at >= ? AND checked_at < ? "
            "GROUP BY dataset, check_name, severity ORDER BY dataset, severity, check_name",
            [since, until],
        )
        found += [_books(*row.values()) for row in rows.to_pylist()]
    return found


def _bounds(period: Period) -> tuple[datetime, datetime]:
    """Return the period's begin and end as the table has them, UTC without a zone."""
    begin = datetime.combine(period.first or date(1970, 1, 1), time())
    return begin, datetime.combine(period.last + _DAY if period.last else date(9999, 1, 1), time())


def _books(dataset: str, check: str, severity: str, batches: int, rows: Any, last_at: datetime) -> CheckBooks:
    return CheckBooks(dataset, check, severity, int(batches), int(rows), to_text(last_at.replace(tzinfo=UTC)))
