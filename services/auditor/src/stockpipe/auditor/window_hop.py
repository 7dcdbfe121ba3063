"""Raw quotes to windows: every quote is counted in its window, whichever job computed it.

A warehouse row says by `last_offset` up to where it knows its symbol's partition; of its window it must count exactly
the distinct quotes up to there. A quote that the stream has read must be known to its window's row; one that isn't
came after the watermark and waits for the stream-batch job.
"""

from collections.abc import Sequence

import duckdb
import pyarrow as pa

from stockpipe.auditor.processed_hop import Batch
from stockpipe.auditor.raw_hop import RawHop
from stockpipe.common.contracts.books import Finding
from stockpipe.common.contracts.tables import REALTIME_STOCK_ANALYTICS
from stockpipe.common.lake.raw_rows import OFFSET_COLUMN, PARTITION_COLUMN
from stockpipe.common.warehouse.reader import WarehouseReader

_QUOTES = f"""
CREATE TABLE quotes AS
SELECT symbol, TIME_BUCKET(INTERVAL '15 minutes', CAST(event_time AS TIMESTAMP)) AS window_start,
    MIN({OFFSET_COLUMN}) AS position, ANY_VALUE({PARTITION_COLUMN}) AS partition
FROM raw GROUP BY symbol, event_time, source
"""
_COUNTED = """
SELECT w.symbol, w.window_start, w.record_count_15m AS counted, COUNT(q.symbol) AS quoted
FROM windows w LEFT JOIN quotes q
    ON q.symbol = w.symbol AND q.window_start = w.window_start AND q.position <= w.last_offset
    LEFT JOIN retired r ON r.partition = w.kafka_partition
WHERE w.window_start >= (SELECT MIN(window_start) FROM quotes)
    AND (r.newest IS NULL OR w.window_start > CAST(r.newest AS TIMESTAMP))
GROUP BY ALL HAVING counted <> quoted ORDER BY ALL
"""
_UNKNOWN = """
SELECT q.symbol, q.window_start, COUNT(*) AS quotes
FROM quotes q
    SEMI JOIN streamed s ON s.partition = q.partition AND q.position >= s.first AND q.position < s.last
    ANTI JOIN windows w ON w.symbol = q.symbol AND w.window_start = q.window_start AND w.last_offset >= q.position
GROUP BY ALL ORDER BY ALL
"""
_RETIRED = pa.schema([("partition", pa.int64()), ("newest", pa.string())])


def missing_quotes(reader: WarehouseReader, raw: RawHop, loaded: Sequence[Batch]) -> list[Finding]:
    """Return a finding for each window that counts other quotes than the raw lake holds.

    Windows that may have quotes which retention removed are left out.

    Args:
        reader: the warehouse.
        raw: the quotes' topic, audited.
        loaded: the batches in the warehouse, of either realtime dataset.
    """
    if not raw.rows:
        return []
    table = reader.qualified(REALTIME_STOCK_ANALYTICS)
    windows = reader.query(
        f"SELECT symbol, window_start, record_count_15m, last_offset, kafka_partition FROM {table} "
        "WHERE EXTRACT(MINUTE FROM window_start) IN (0, 15, 30, 45)"
    )
    ranges = [
        {"partition": entry.partition, "first": entry.start, "last": entry.end}
        for batch in loaded
        if batch.manifest.dataset == "realtime_live"
        for entry in batch.manifest.inputs
    ]
    retired = [{"partition": mark.partition, "newest": mark.max_event_time} for mark in raw.retired.values()]
    schema = pa.schema([("partition", pa.int64()), ("first", pa.int64()), ("last", pa.int64())])
    with duckdb.connect() as engine:
        engine.register("raw", pa.concat_tables(raw.rows))
        engine.register("retired", pa.Table.from_pylist(retired, _RETIRED))
        engine.register("windows", windows.rename_columns([name.lower() for name in windows.column_names]))
        engine.register("streamed", pa.Table.from_pylist(ranges, schema))
        engine.execute(_QUOTES)
        counted = engine.execute(_COUNTED).fetchall()
        unknown = engine.execute(_UNKNOWN).fetchall()
    findings = [
        Finding(
            "raw-processed",
            f"{symbol} window {window_start}",
            f"counts {count} quotes, the raw lake holds {quoted} up to the row's last offset",
            abs(quoted - count),
        )
        for symbol, window_start, count, quoted in counted
    ]
    return findings + [
        Finding(
            "raw-processed",
            f"{symbol} window {window_start}",
            f"doesn't know {count} quotes that the stream has read; if they came late, run the stream-batch job for "
            f"{window_start:%Y-%m-%d}",
            count,
        )
        for symbol, window_start, count in unknown
    ]
