"""DATA_QUALITY_RESULTS: what each check found in each batch, kept in each database beside the rows it speaks of."""

from stockpipe.common.contracts.tables import Column, Table

_COLUMNS = (
    Column("dataset", "string", "Processed dataset of the batch", nullable=False),
    Column("batch_id", "string", "Batch that was checked", nullable=False),
    Column("check_name", "string", "Check, as the table's checks.sql names it", nullable=False),
    Column("severity", "string", "fail: the batch is refused if a row is found; warn: it is loaded", nullable=False),
    Column("rows", "bigint", "Rows that the check found", nullable=False),
    Column("status", "string", "passed, warned or failed", nullable=False),
    Column("checked_at", "timestamp", "When the batch was checked last, UTC", nullable=False),
)


def data_quality_results(database: str) -> Table:
    """Return the DATA_QUALITY_RESULTS table of `database`."""
    return Table(
        database=database,
        name="DATA_QUALITY_RESULTS",
        key=("dataset", "batch_id", "check_name"),
        version=("checked_at",),
        event="checked_at",
        columns=_COLUMNS,
    )
