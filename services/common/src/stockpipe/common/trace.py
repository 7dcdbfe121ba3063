"""From a warehouse row back to the requests that fetched its data."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow.compute as pc

from stockpipe.common.contracts.manifests import OffsetRange, ProcessedManifest, RawManifest
from stockpipe.common.contracts.tables import DAILY_STOCK_METRICS, REALTIME_STOCK_ANALYTICS, Table
from stockpipe.common.contracts.topics import TopicKind
from stockpipe.common.errors import PipelineError
from stockpipe.common.ids import batch_day
from stockpipe.common.lake import layout
from stockpipe.common.lake.manifests import find_processed, find_raw, raw_manifests
from stockpipe.common.lake.raw_rows import decode_rows
from stockpipe.common.lake.retention import batch_retention
from stockpipe.common.lake.store import ObjectStore
from stockpipe.common.times import to_text
from stockpipe.common.warehouse.ledger import loaded_batches
from stockpipe.common.warehouse.reader import WarehouseReader

DAILY_ROWS = 31
"""A daily row is made of its bar and the 30 before it."""


class NotTraced(PipelineError):
    """There is no such row, or a step of its way is missing."""


@dataclass(frozen=True)
class Source:
    """One raw row that the warehouse row was computed from, and where it came from."""

    moment: str
    topic: str
    partition: int
    offset: int
    raw_object: str
    raw_manifest: str
    fetch_id: str
    request: str
    fetched_at: str


@dataclass(frozen=True)
class Trace:
    """A warehouse row's way: row, load, batch, and the raw rows it was computed from, oldest first."""

    table: str
    row: dict[str, Any]
    loaded: dict[str, Any]
    batch: ProcessedManifest
    batch_manifest: str
    sources: list[Source]


def trace_daily(
    store: ObjectStore, reader: WarehouseReader, bars_topic: str, actions_topic: str, symbol: str, day: date
) -> Trace:
    """Walk the row of DAILY_STOCK_METRICS of `symbol` and session `day` back to its bars and their splits.

    Raises:
        NotTraced: there is no such row, or a step of its way is missing.
    """
    row = _warehouse_row(reader, DAILY_STOCK_METRICS, symbol, day)
    loaded, batch = _batch(store, reader, DAILY_STOCK_METRICS, str(row["batch_id"]))
    sources = _bars(store, bars_topic, batch, symbol, day)
    if sources:
        sources += _actions(store, actions_topic, batch, symbol, sources[0].moment)
    return _trace(DAILY_STOCK_METRICS, row, loaded, batch, sources)


def trace_window(store: ObjectStore, reader: WarehouseReader, topic: str, symbol: str, start: datetime) -> Trace:
    """Walk the row of REALTIME_STOCK_ANALYTICS of `symbol` and the window from `start` (UTC) back.

    `topic` is that of quotes. A `start` without a zone is UTC.

    Raises:
        NotTraced: there is no such row, or a step of its way is missing.
    """
    moment = (start.astimezone(UTC) if start.tzinfo else start).replace(tzinfo=None)
    row = _warehouse_row(reader, REALTIME_STOCK_ANALYTICS, symbol, moment)
    loaded, batch = _batch(store, reader, REALTIME_STOCK_ANALYTICS, str(row["batch_id"]))
    return _trace(REALTIME_STOCK_ANALYTICS, row, loaded, batch, _quotes(store, topic, row))


def _trace(
    table: Table, row: dict[str, Any], loaded: dict[str, Any], batch: ProcessedManifest, sources: list[Source]
) -> Trace:
    if not sources:
        raise NotTraced(f"no raw row of {row['symbol']} is left in the lake for this row; see RAW_RETENTION_DAYS")
    manifest_key = layout.processed_manifest(batch.dataset, batch.batch_id)
    return Trace(f"{table.database}.{table.name}", row, loaded, batch, manifest_key, sources)


def _warehouse_row(reader: WarehouseReader, table: Table, symbol: str, moment: date) -> dict[str, Any]:
    columns = ", ".join(table.column_names)
    found = reader.query(
        f"SELECT {columns} FROM {reader.qualified(table)} WHERE symbol = ? AND {table.key[1]} = ?", [symbol, moment]
    )
    rows: list[dict[str, Any]] = found.rename_columns(list(table.column_names)).to_pylist()
    if not rows:
        raise NotTraced(f"{table.database}.{table.name} has no row of {symbol} at {moment}")
    return rows[0]


def _batch(
    store: ObjectStore, reader: WarehouseReader, table: Table, batch_id: str
) -> tuple[dict[str, Any], ProcessedManifest]:
    ledger = reader.qualified(loaded_batches(table.database))
    found = reader.query(f"SELECT dataset, loaded_at FROM {ledger} WHERE batch_id = ?", [batch_id])
    rows: list[dict[str, Any]] = found.rename_columns(["dataset", "loaded_at"]).to_pylist()
    if not rows:
        raise NotTraced(f"LOADED_BATCHES doesn't list batch {batch_id}, which the row names")
    manifest = find_processed(store, rows[0]["dataset"], batch_id)
    if manifest is None:
        mark = batch_retention(store, rows[0]["dataset"])
        retired = mark is not None and batch_day(batch_id).isoformat() <= mark.until
        why = "; retention removed it: see PROCESSED_RETENTION_DAYS" if retired else ""
        raise NotTraced(f"the lake has no manifest of batch {batch_id}, which the row names{why}")
    return rows[0], manifest


def _bars(store: ObjectStore, topic: str, batch: ProcessedManifest, symbol: str, day: date) -> list[Source]:
    """Return the newest version of the bar of `day` and of the 30 before it, as the batch saw them."""
    newest: dict[str, tuple[tuple[bool, str, int], Source]] = {}
    last = f"{day.isoformat()}T00:00:00.000Z"
    for manifest in raw_manifests(store, topic):
        if not _read_by(batch.inputs, manifest) or not manifest.min_event_time or manifest.min_event_time > last:
            continue
        for row, source in _rows("batch", store, manifest, symbol, "date"):
            version = (bool(row["is_final"]), str(row["fetched_at"]), source.offset)
            if row["date"] <= day.isoformat() and (row["date"] not in newest or version > newest[row["date"]][0]):
                newest[row["date"]] = (version, source)
    return [newest[moment][1] for moment in sorted(newest)[-DAILY_ROWS:]]


def _actions(store: ObjectStore, topic: str, batch: ProcessedManifest, symbol: str, oldest: str) -> list[Source]:
    """Return the versions of splits and dividends after the `oldest` bar that the batch saw."""
    if not batch.also_read:
        return []
    found = [
        source
        for manifest in raw_manifests(store, topic)
        if _read_by(batch.also_read, manifest)
        for _row, source in _rows("actions", store, manifest, symbol, "ex_date")
        if source.moment > oldest
    ]
    return sorted(found, key=lambda source: (source.moment, source.offset))


def _quotes(store: ObjectStore, topic: str, row: dict[str, Any]) -> list[Source]:
    """Return the distinct quotes of the hour before the window's end, between the row's first and last offset."""
    end = row["window_end"].replace(tzinfo=UTC)
    first, last = to_text(end - timedelta(hours=1)), to_text(end)
    distinct: dict[tuple[str, str], Source] = {}
    for manifest in _covering(store, topic, row["kafka_partition"], row["first_offset"], row["last_offset"]):
        for raw, source in _rows("realtime", store, manifest, row["symbol"], "event_time"):
            if first <= source.moment < last and source.offset <= row["last_offset"]:
                known = distinct.get((source.moment, raw["source"]))
                if known is None or source.offset < known.offset:
                    distinct[source.moment, raw["source"]] = source
    return sorted(distinct.values(), key=lambda source: (source.moment, source.offset))


def _covering(store: ObjectStore, topic: str, partition: int, first: int, last: int) -> Iterator[RawManifest]:
    """Yield the manifests of a partition that may hold offsets from `first` to `last`, chosen by their keys."""
    prefix = layout.raw_manifest_partition_prefix(topic, partition)
    starts = [parsed[2] for info in store.list(prefix) if (parsed := layout.parse_raw_manifest(info.key))]
    for start, following in zip(starts, [*starts[1:], last + 1], strict=False):
        if start <= last and following > first and (manifest := find_raw(store, topic, partition, start)):
            yield manifest


def _read_by(inputs: list[OffsetRange], manifest: RawManifest) -> bool:
    return any(
        entry.partition == manifest.partition and entry.start <= manifest.start and manifest.end <= entry.end
        for entry in inputs
    )


def _rows(
    kind: TopicKind, store: ObjectStore, manifest: RawManifest, symbol: str, moment: str
) -> Iterator[tuple[dict[str, Any], Source]]:
    if symbol not in manifest.symbols:
        return
    for entry in manifest.objects:
        table = decode_rows(kind, entry.key, store.get(entry.key))
        for row in table.filter(pc.equal(table["symbol"], symbol)).to_pylist():
            yield (
                row,
                Source(
                    moment=row[moment],
                    topic=manifest.topic,
                    partition=row["kafka_partition"],
                    offset=row["kafka_offset"],
                    raw_object=entry.key,
                    raw_manifest=layout.raw_manifest(manifest.topic, manifest.partition, manifest.start),
                    fetch_id=row["fetch_id"],
                    request=manifest.fetches.get(row["fetch_id"], ""),
                    fetched_at=row["fetched_at"],
                ),
            )
