"""Processed batches: valid rows, and Parquet files with a manifest as Spark writes them."""

import io
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from stockpipe.common import times
from stockpipe.common.contracts.manifests import DatasetName, ProcessedFile, ProcessedManifest
from stockpipe.common.contracts.tables import DATASETS
from stockpipe.common.lake import layout
from stockpipe.common.lake.manifests import commit_processed
from stockpipe.common.lake.store import ObjectStore

Row = dict[str, Any]

NOW = datetime(2024, 5, 14, 16, 0, tzinfo=UTC)
"""When the rows below were processed; long past, so that programs on the machine's clock take them too."""

SPARK_TIMESTAMP = pa.timestamp("us", tz="UTC")


def daily_row(**changes: Any) -> Row:
    values: Row = {
        "symbol": "AAPL",
        "date": date(2024, 5, 13),
        "daily_open": 185.0,
        "daily_high": 187.5,
        "daily_low": 184.25,
        "daily_close": 186.75,
        "daily_volume": 72_044_800,
        "adj_close": 186.5,
        "daily_change": 1.5,
        "daily_change_pct": 0.81,
        "daily_return": 0.0081,
        "sma_5": 184.0,
        "sma_15": 180.0,
        "sma_30": 176.0,
        "volatility_5": 0.011,
        "volatility_15": 0.014,
        "volatility_30": 0.013,
        "volume_sma_15": 60_000_000.0,
        "volume_ratio": 1.2,
        "volume_trend": "rising",
        "is_final": True,
        "source_fetched_at": NOW - timedelta(hours=1),
        "batch_id": "unset",
        "transform_version": 1,
        "processed_at": NOW - timedelta(minutes=1),
        "exchange": "XNAS",
        "split_factor": 1.0,
        "actions_as_of": None,
    }
    return _changed(values, changes)


def window_row(**changes: Any) -> Row:
    start = changes.get("window_start", datetime(2024, 5, 14, 15, 30, tzinfo=UTC))
    values: Row = {
        "symbol": "AAPL",
        "window_start": start,
        "window_end": start + timedelta(minutes=15),
        "open": 186.0,
        "high": 186.9,
        "low": 185.8,
        "close": 186.4,
        "vwap_15m": 186.2,
        "ma_5m": 186.3,
        "ma_15m": 186.2,
        "ma_30m": 186.1,
        "ma_1h": 185.9,
        "volatility_15m": 0.2,
        "volatility_1h": 0.4,
        "volume_sum_15m": 12_000,
        "volume_sum_1h": 50_000,
        "record_count_15m": 30,
        "record_count_1h": 120,
        "last_event_time": start + timedelta(minutes=14, seconds=30),
        "first_offset": 1_000,
        "last_offset": 1_119,
        "kafka_partition": 3,
        "batch_id": "unset",
        "transform_version": 1,
        "processed_at": NOW - timedelta(minutes=1),
    }
    return _changed(values, changes)


def write_batch(
    store: ObjectStore,
    dataset: DatasetName,
    batch_id: str,
    rows: Sequence[Row],
    *,
    without: Iterable[str] = (),
    manifest_rows: int | None = None,
    **manifest: Any,
) -> ProcessedManifest:
    """Write the rows as Spark lays them out, the columns `without` left out, and commit the batch.

    `manifest` are fields of the manifest that differ from those of `manifest_of`.

    `manifest_rows` makes the manifest lie about the row count of each file.
    """
    files = []
    for key, part in _by_file(dataset, batch_id, rows).items():
        absent = {*without, *(("symbol",) if layout.symbol_of(key) else ())}
        files.append(write_file(store, key, dataset, [row | {"batch_id": batch_id} for row in part], absent))
    if manifest_rows is not None:
        files = [ProcessedFile(key=file.key, rows=manifest_rows, bytes=file.bytes) for file in files]
    return commit_processed(store, msgspec.structs.replace(manifest_of(dataset, batch_id, files), **manifest))


def write_file(
    store: ObjectStore, key: str, dataset: DatasetName, rows: Sequence[Row], without: Iterable[str] = ()
) -> ProcessedFile:
    """Write one Parquet file with Spark's types: timestamps carry the zone UTC."""
    fields = [
        pa.field(field.name, SPARK_TIMESTAMP if pa.types.is_timestamp(field.type) else field.type)
        for field in DATASETS[dataset].table.arrow_schema
        if field.name not in set(without)
    ]
    return write_table(store, key, pa.Table.from_pylist(list(rows), pa.schema(fields)))


def write_table(store: ObjectStore, key: str, table: pa.Table) -> ProcessedFile:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="snappy")
    store.create(key, buffer.getvalue())
    return ProcessedFile(key=key, rows=table.num_rows, bytes=buffer.getbuffer().nbytes)


def manifest_of(dataset: DatasetName, batch_id: str, files: list[ProcessedFile]) -> ProcessedManifest:
    rows = sum(file.rows for file in files)
    return ProcessedManifest(
        dataset=dataset,
        batch_id=batch_id,
        inputs=[],
        rows_in=rows,
        rows_dropped=None,
        rows_out=rows,
        files=files,
        transform_version=1,
        produced_at=times.to_text(NOW),
    )


def _changed(values: Row, changes: Row) -> Row:
    unknown = changes.keys() - values.keys()
    assert not unknown, f"no such column: {unknown}"
    return values | changes


def _by_file(dataset: DatasetName, batch_id: str, rows: Sequence[Row]) -> dict[str, list[Row]]:
    by_file: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        match dataset:
            case "daily":
                folder = layout.historical_folder(NOW.date())
                key = f"{folder}/symbol={row['symbol']}/part-{batch_id}-0.parquet"
            case "realtime":
                day = f"year={row['window_start']:%Y}/month={row['window_start']:%m}/day={row['window_start']:%d}"
                key = f"{layout.REALTIME_FOLDER}/{day}/symbol={row['symbol']}/part-{batch_id}-0.parquet"
            case "realtime_live":
                key = layout.live_file(row["window_start"].date(), batch_id)
        by_file[key].append(row)
    return by_file
