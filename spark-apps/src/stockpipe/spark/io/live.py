"""The stream's rows into the lake: one file a micro-batch and day, then the manifest."""

import io
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from stockpipe.common.contracts.manifests import ProcessedFile, ProcessedManifest
from stockpipe.common.contracts.tables import REALTIME_STOCK_ANALYTICS, TRANSFORM_VERSION
from stockpipe.common.lake import layout
from stockpipe.common.lake.manifests import commit_processed, find_processed
from stockpipe.common.lake.store import ObjectStore, create_content
from stockpipe.common.times import to_text
from stockpipe.spark.io.checkpoint import MicroBatch


def commit_live(store: ObjectStore, micro_batch: MicroBatch, batch_id: str, rows: pa.Table) -> ProcessedManifest | None:
    """Write the windows that a micro-batch changed, and its manifest, unless an earlier try did; return the manifest.

    A micro-batch without offsets and rows leaves no trace: Spark runs such ones to forget closed windows.

    Args:
        store: the lake.
        micro_batch: what the checkpoint says of it.
        batch_id: its identity.
        rows: the columns of REALTIME_STOCK_ANALYTICS, in any order of rows.
    """
    if not micro_batch.ranges and not rows.num_rows:
        return None
    if committed := find_processed(store, "realtime_live", batch_id):
        return committed
    manifest = ProcessedManifest(
        dataset="realtime_live",
        batch_id=batch_id,
        inputs=list(micro_batch.ranges),
        rows_in=micro_batch.offsets,
        rows_dropped=None,
        rows_out=rows.num_rows,
        files=_write(store, batch_id, rows),
        transform_version=TRANSFORM_VERSION,
        produced_at=to_text(micro_batch.started_at),
    )
    return commit_processed(store, manifest)


def _write(store: ObjectStore, batch_id: str, rows: pa.Table) -> list[ProcessedFile]:
    ordered = rows.cast(REALTIME_STOCK_ANALYTICS.arrow_schema).sort_by(
        [("symbol", "ascending"), ("window_start", "ascending")]
    )
    days = pc.cast(ordered["window_start"], pa.date32(), safe=False)
    return [_write_day(store, batch_id, day, ordered.filter(pc.equal(days, day))) for day in sorted(_unique(days))]


def _unique(days: pa.ChunkedArray) -> list[date]:
    found: list[date] = pc.unique(days).to_pylist()
    return found


def _write_day(store: ObjectStore, batch_id: str, day: date, rows: pa.Table) -> ProcessedFile:
    buffer = io.BytesIO()
    pa.parquet.write_table(rows, buffer, compression="snappy")
    data = buffer.getvalue()
    key = create_content(store, layout.live_file(day, batch_id), data)
    return ProcessedFile(key=key, rows=rows.num_rows, bytes=len(data))
