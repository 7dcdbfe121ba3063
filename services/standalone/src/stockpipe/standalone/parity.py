"""Batch and stream on the same quotes: do they give the same windows?"""

from dataclasses import dataclass

import duckdb
import pyarrow as pa

from stockpipe.common.contracts.manifests import DatasetName
from stockpipe.common.contracts.tables import DATASETS, REALTIME_STOCK_ANALYTICS
from stockpipe.common.lake.batch_rows import BatchRows
from stockpipe.common.lake.manifests import processed_manifests
from stockpipe.common.lake.processed_rows import file_schema
from stockpipe.common.lake.store import ObjectStore

RELATIVE = 1e-9
RELATIVE_DEVIATION = 1e-6


@dataclass(frozen=True)
class Parity:
    """Windows of both jobs, and how many of them differ or are in only one."""

    windows: int
    different: int


def compare_windows(store: ObjectStore) -> Parity:
    """Compare the newest row of each window of both realtime datasets, value by value."""
    table = REALTIME_STOCK_ANALYTICS
    newest = ", ".join(f"{name} DESC" for name in table.version)
    equal = " AND ".join(
        _equal(column.name, column.type == "double") for column in table.columns if _compared(column.name)
    )
    with duckdb.connect() as engine:
        for dataset in ("realtime", "realtime_live"):
            engine.register(f"{dataset}_rows", _rows(store, dataset))
            engine.execute(
                f"CREATE TABLE {dataset} AS SELECT * FROM {dataset}_rows "
                f"QUALIFY ROW_NUMBER() OVER (PARTITION BY symbol, window_start ORDER BY {newest}) = 1"
            )
        found = engine.execute(
            f"SELECT COUNT(*), COUNT(*) FILTER (NOT COALESCE({equal}, FALSE)) "
            "FROM realtime b FULL JOIN realtime_live s ON b.symbol = s.symbol AND b.window_start = s.window_start"
        ).fetchall()
    return Parity(*found[0])


def _rows(store: ObjectStore, dataset: DatasetName) -> pa.Table:
    rows = BatchRows(store, dataset)
    batches = [batch for manifest in processed_manifests(store, dataset) for batch in rows.read(manifest)]
    return pa.Table.from_batches(batches, file_schema(DATASETS[dataset].table))


def _compared(name: str) -> bool:
    return name not in ("batch_id", "processed_at")


def _equal(name: str, is_double: bool) -> str:
    if not is_double:
        return f"b.{name} IS NOT DISTINCT FROM s.{name}"
    tolerance = RELATIVE_DEVIATION if name.startswith("volatility") else RELATIVE
    near = f"ABS(b.{name} - s.{name}) <= {tolerance} * GREATEST(ABS(b.{name}), ABS(s.{name}))"
    return f"(b.{name} IS NULL AND s.{name} IS NULL OR COALESCE({near}, FALSE))"
