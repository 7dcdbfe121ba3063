"""The last step of every transform: the table's own columns, in its order and types."""

from datetime import datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as sf

from stockpipe.common.contracts.tables import ColumnType, Table

_SPARK: dict[ColumnType, str] = {
    "string": "string",
    "double": "double",
    "bigint": "bigint",
    "int": "int",
    "boolean": "boolean",
    "date": "date",
    "timestamp": "timestamp_ntz",
}


def stamp(rows: DataFrame, table: Table, *, batch_id: str, transform_version: int, processed_at: datetime) -> DataFrame:
    """Add who computed the rows and when, and return exactly the columns of `table`.

    Timestamps lose their zone: they are UTC, as the session's time zone must be.

    Args:
        rows: the other columns of `table`, in any order.
        table: decides order and types.
        batch_id: the batch.
        transform_version: version of the transforms.
        processed_at: when the batch was processed, UTC.
    """
    stamped = rows.withColumns(
        {
            "batch_id": sf.lit(batch_id),
            "transform_version": sf.lit(transform_version),
            "processed_at": sf.lit(processed_at),
        }
    )
    return stamped.select(*(sf.col(c.name).cast(_SPARK[c.type]).alias(c.name) for c in table.columns))
