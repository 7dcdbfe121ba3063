"""From a warehouse row back to the requests that fetched its data."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, timedelta
from typing import Any

import pyarrow.compute as pc

from stockpipe.auditor.settings import TraceSettings
from stockpipe.common.contracts.manifests import OffsetRange, ProcessedManifest, RawManifest
from stockpipe.common.contracts.tables import DAILY_STOCK_METRICS, REALTIME_STOCK_ANALYTICS, Table
from stockpipe.common.contracts.topics import TopicKind
from stockpipe.common.errors import ConfigError, PipelineError
from stockpipe.common.ids import batch_day
from stockpipe.common.lake import layout
from stockpipe.common.lake.manifests import find_processed, raw_manifests
from stockpipe.common.lake.raw_rows import decode_rows
from stockpipe.common.lake.retention import batch_retention
from stockpipe.common.lake.store import ObjectStore
from stockpipe.common.times import to_text
from stockpipe.common.warehouse.ledger import loaded_batches
from stockpipe.common.warehouse.reader import WarehouseReader

DAILY_ROWS = 31
"""A daily row is made of its bar and the 30 before it."""


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


def trace(settings: TraceSettings, store: ObjectStore, reader: WarehouseReader) -> Trace:
    """Walk the row back.

    Raises:
        ConfigError: neither or both of DATE and WINDOW_START are given.
        PipelineError: there is no such row, or a step of its way is missing.
    """
    if (settings.day is None) == (settings.window_start is None):
        raise ConfigError("give either DATE (--date) or WINDOW_START (--window-start)")
    table = DAILY_STOCK_METRICS if settings.day else REALTIME_STOCK_ANALYTICS
    row = _warehouse_row(settings, reader, table)
    loaded, batch = _batch(store, reader, table, str(row["batch_id"]))
    found = _bars(settings, store, batch, settings.day) if settings.day else _quotes(settings, store, row)
    if found:
        found += _actions(settings, store, batch, found[0].moment)
    else:
        raise PipelineError(f"no raw row of {settings.symbol} is left in the lake for this row; see RAW_RETENTION_DAYS")
    manifest_key = layout.processed_manifest(batch.dataset, batch.batch_id)
    return Trace(f"{table.database}.{table.name}", row, loaded, batch, manifest_key, found)


def _warehouse_row(settings: TraceSettings, reader: WarehouseReader, table: Table) -> dict[str, Any]:
    start = settings.window_start
    moment = (start.astimezone(UTC) if start.tzinfo else start).replace(tzinfo=None) if start else settings.day
    columns = ", ".join(table.column_names)
    found = reader.query(
        f"SELECT {columns} FROM {reader.qualified(table)} WHERE symbol = ? AND {table.key[1]} = ?",
        [settings.symbol, moment],
    )
    rows: list[dict[str, Any]] = found.rename_columns(list(table.column_names)).to_pylist()
    if not rows:
        raise PipelineError(f"{table.database}.{table.name} has no row of {settings.symbol} at {moment}")
    return rows[0]


def _batch(
    store: ObjectStore, reader: WarehouseReader, table: Table, batch_id: str
) -> tuple[dict[str, Any], ProcessedManifest]:
    ledger = reader.qualified(loaded_batches(table.database))
    found = reader.query(f"SELECT dataset, loaded_at FROM {ledger} WHERE batch_id = ?", [batch_id])
    rows: list[dict[str, Any]] = found.rename_columns(["dataset", "loaded_at"]).to_pylist()
    if not rows:
        raise PipelineError(f"LOADED_BATCHES doesn't list batch {batch_id}, which the row names")
    manifest = find_processed(store, rows[0]["dataset"], batch_id)
    if manifest is None:
        mark = batch_retention(store, rows[0]["dataset"])
        retired = mark is not None and batch_day(batch_id).isoformat() <= mark.until
        why = "; retention removed it: see PROCESSED_RETENTION_DAYS" if retired else ""
        raise PipelineError(f"the lake has no manifest of batch {batch_id}, which the row names{why}")
    return rows[0], manifest


def _bars(settings: TraceSettings, store: ObjectStore, batch: ProcessedManifest, day: date) -> list[Source]:
    """Return the newest version of the bar of `day` and of the 30 before it, as the batch saw them."""
    newest: dict[str, tuple[tuple[bool, str, int], Source]] = {}
    last = f"{day.isoformat()}T00:00:00.000Z"
    for manifest in raw_manifests(store, settings.kafka_topic_batch):
        if not _read_by(batch.inputs, manifest) or not manifest.min_event_time or manifest.min_event_time > last:
            continue
        for row, source in _rows("batch", store, manifest, settings.symbol, "date"):
            version = (bool(row["is_final"]), str(row["fetched_at"]), source.offset)
            if row["date"] <= day.isoformat() and (row["date"] not in newest or version > newest[row["date"]][0]):
                newest[row["date"]] = (version, source)
    return [newest[moment][1] for moment in sorted(newest)[-DAILY_ROWS:]]


def _actions(settings: TraceSettings, store: ObjectStore, batch: ProcessedManifest, oldest: str) -> list[Source]:
    """Return the versions of splits and dividends after the `oldest` bar that the batch saw."""
    if not batch.also_read:
        return []
    found = [
        source
        for manifest in raw_manifests(store, settings.kafka_topic_actions)
        if _read_by(batch.also_read, manifest)
        for _row, source in _rows("actions", store, manifest, settings.symbol, "ex_date")
        if source.moment > oldest
    ]
    return sorted(found, key=lambda source: (source.moment, source.offset))


def _quotes(settings: TraceSettings, store: ObjectStore, row: dict[str, Any]) -> list[Source]:
    """Return the distinct quotes of the hour before the window's end, up to the row's last offset."""
    end = row["window_end"].replace(tzinfo=UTC)
    first, last = to_text(end - timedelta(hours=1)), to_text(end)
    distinct: dict[tuple[str, str], Source] = {}
    for manifest in raw_manifests(store, settings.kafka_topic_realtime):
        if manifest.partition != row["kafka_partition"] or not manifest.min_event_time or not manifest.max_event_time:
            continue
        if manifest.min_event_time >= last or manifest.max_event_time < first:
            continue
        for raw, source in _rows("realtime", store, manifest, settings.symbol, "event_time"):
            if first <= source.moment < last and source.offset <= row["last_offset"]:
                known = distinct.get((source.moment, raw["source"]))
                if known is None or source.offset < known.offset:
                    distinct[source.moment, raw["source"]] = source
    return sorted(distinct.values(), key=lambda source: (source.moment, source.offset))


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


def render(found: Trace) -> str:
    """Return the way as indented text."""
    row, batch = found.row, found.batch
    lines = [f"{found.table}"]
    lines += [f"  {name}: {value}" for name, value in row.items() if value is not None]
    lines.append(f"└─ loaded at {found.loaded['loaded_at']} from batch {batch.batch_id} of {batch.dataset}")
    lines.append(f"   └─ computed at {batch.produced_at}, manifest {found.batch_manifest}")
    moments = f"{found.sources[0].moment} to {found.sources[-1].moment}"
    lines.append(f"      └─ from {len(found.sources)} raw rows, {moments}")
    for key, sources in _grouped(found.sources, "raw_object").items():
        offsets = f"{sources[0].offset} to {sources[-1].offset}"
        lines.append(f"         ├─ {len(sources)} rows of {key}")
        lines.append(f"         │  {sources[0].topic} partition {sources[0].partition}, offsets {offsets}")
        fetches = _grouped(sources, "fetch_id")
        for shown, (fetch_id, fetched) in enumerate(fetches.items()):
            if shown == 3 and len(fetches) > 4:
                lines.append(f"         │  … {len(fetches) - 3} more fetches; --json lists all")
                break
            lines.append(f"         │  fetch {fetch_id} at {fetched[0].fetched_at}: {fetched[0].request}")
    return "\n".join(lines)


def _grouped(sources: list[Source], attribute: str) -> dict[str, list[Source]]:
    groups: dict[str, list[Source]] = {}
    for source in sources:
        groups.setdefault(getattr(source, attribute), []).append(source)
    return groups
