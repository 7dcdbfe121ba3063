"""LOADED_BATCHES: one row for every batch that was loaded, kept in each database beside the rows it explains."""

from stockpipe.common.contracts.tables import DATASETS, LOADED_BATCHES, Column, Table

_COLUMNS = (
    Column("dataset", "string", "Processed dataset of the batch", nullable=False),
    Column("batch_id", "string", "Batch that was loaded", nullable=False),
    Column("files", "bigint", "Parquet files of the batch", nullable=False),
    Column("rows", "bigint", "Rows of the batch; inserted + updated + stale", nullable=False),
    Column("inserted", "bigint", "Rows whose key was new", nullable=False),
    Column("updated", "bigint", "Rows that replaced an older version", nullable=False),
    Column("stale", "bigint", "Rows not newer than the version already there", nullable=False),
    Column("loaded_at", "timestamp", "When the batch was loaded, UTC", nullable=False),
)

DATABASES = tuple(sorted({dataset.table.database for dataset in DATASETS.values()}))
"""Every database of the warehouse."""


def loaded_batches(database: str) -> Table:
    """Return the LOADED_BATCHES table of `database`."""
    return Table(
        database=database,
        name=LOADED_BATCHES,
        key=("dataset", "batch_id"),
        version=(),
        event="loaded_at",
        columns=_COLUMNS,
    )
