"""Raw objects and their manifests, as the consumer lands them."""

import hashlib
import io
from collections.abc import Sequence
from itertools import groupby

import msgspec
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from stockpipe.common.contracts.corporate_action import CorporateAction
from stockpipe.common.contracts.daily_bar import DailyBar
from stockpipe.common.contracts.decode import Record
from stockpipe.common.contracts.manifests import RawManifest, RawObject
from stockpipe.common.contracts.quote import Quote
from stockpipe.common.contracts.topics import TopicKind
from stockpipe.common.lake import layout
from stockpipe.common.lake.manifests import commit_raw
from stockpipe.common.lake.raw_rows import RAW_COLUMNS, RawFormat, decode_rows, encode_rows, raw_table
from stockpipe.common.lake.store import ObjectStore, create_content
from stockpipe.common.times import from_text

QUOTES = "stock-market-realtime"
BARS = "stock-market-batch"
ACTIONS = "stock-market-actions"
WRITTEN_AT = "2026-11-24T00:00:00.000Z"
_KINDS: dict[str, TopicKind] = {QUOTES: "realtime", BARS: "batch", ACTIONS: "actions"}
_SCHEMAS = {QUOTES: "quote.v1", BARS: "daily_bar.v1", ACTIONS: "corporate_action.v1"}


def land_quotes(
    store: ObjectStore,
    quotes: Sequence[Quote],
    *,
    partition: int = 0,
    start: int = 0,
    rejected: int = 0,
    raw_format: RawFormat = "csv",
    written_at: str = WRITTEN_AT,
) -> RawManifest:
    """Land quotes of one partition under one manifest, an object for each hour; rejected ones follow them."""
    numbered = list(enumerate(quotes, start))
    hours = sorted(numbered, key=lambda pair: (pair[1].event_time[:13], pair[0]))
    objects = [
        _create(
            store,
            layout.realtime_object(from_text(min(q.event_time for _, q in rows)), partition, *_ends(rows), raw_format),
            "realtime",
            rows,
            partition,
            raw_format,
        )
        for rows in (list(group) for _, group in groupby(hours, key=lambda pair: pair[1].event_time[:13]))
    ]
    times = [quote.event_time for quote in quotes]
    return _commit(store, QUOTES, partition, start, numbered, rejected, objects, (min(times), max(times)), written_at)


def land_bars(
    store: ObjectStore,
    bars: Sequence[DailyBar],
    *,
    partition: int = 0,
    start: int = 0,
    raw_format: RawFormat = "csv",
    written_at: str = WRITTEN_AT,
) -> RawManifest:
    """Land bars of one partition under one manifest, an object for each symbol and fetch."""

    def fetch(pair: tuple[int, DailyBar]) -> tuple[str, str]:
        return pair[1].symbol, pair[1].fetched_at

    numbered = list(enumerate(bars, start))
    objects = []
    for (symbol, fetched_at), group in groupby(sorted(numbered, key=fetch), key=fetch):
        rows = list(group)
        key = layout.historical_object(symbol, from_text(fetched_at), partition, *_ends(rows), raw_format)
        objects.append(_create(store, key, "batch", rows, partition, raw_format))
    dates = [f"{bar.date}T00:00:00.000Z" for bar in bars]
    return _commit(store, BARS, partition, start, numbered, 0, objects, (min(dates), max(dates)), written_at)


def land_actions(store: ObjectStore, actions: Sequence[CorporateAction], *, start: int = 0) -> RawManifest:
    """Land splits and dividends of partition 0 under one manifest, an object for each symbol and fetch."""

    def fetch(pair: tuple[int, CorporateAction]) -> tuple[str, str]:
        return pair[1].symbol, pair[1].fetched_at

    numbered = list(enumerate(actions, start))
    objects = []
    for (symbol, fetched_at), group in groupby(sorted(numbered, key=fetch), key=fetch):
        rows = list(group)
        key = layout.actions_object(symbol, from_text(fetched_at), 0, *_ends(rows), "csv")
        objects.append(_create(store, key, "actions", rows, 0, "csv"))
    dates = [f"{action.ex_date}T00:00:00.000Z" for action in actions]
    return _commit(store, ACTIONS, 0, start, numbered, 0, objects, (min(dates), max(dates)), WRITTEN_AT)


def _ends(rows: Sequence[tuple[int, Record]]) -> tuple[int, int]:
    return rows[0][0], rows[-1][0]


def _create(
    store: ObjectStore,
    key: str,
    kind: TopicKind,
    rows: Sequence[tuple[int, Record]],
    partition: int,
    raw_format: RawFormat,
) -> RawObject:
    table = raw_table(kind, [row for _, row in rows], partition, [offset for offset, _ in rows])
    data = encode_rows(table, raw_format)
    key = create_content(store, key, data)
    return RawObject(key=key, rows=len(rows), bytes=len(data), sha256=hashlib.sha256(data).hexdigest())


def _commit(
    store: ObjectStore,
    topic: str,
    partition: int,
    start: int,
    numbered: Sequence[tuple[int, Record]],
    rejected: int,
    objects: list[RawObject],
    times: tuple[str, str],
    written_at: str,
) -> RawManifest:
    manifest = RawManifest(
        topic=topic,
        partition=partition,
        start=start,
        end=start + len(numbered) + rejected,
        records=len(numbered),
        rejected=rejected,
        skipped=0,
        objects=objects,
        min_event_time=times[0],
        max_event_time=times[1],
        symbols=sorted({record.symbol for _, record in numbered}),
        schema_versions=[_SCHEMAS[topic]],
        fetches={},
        columns=list(RAW_COLUMNS[_KINDS[topic]]),
        writer="test",
        written_at=written_at,
    )
    return commit_raw(store, manifest)


def rewrite(
    store: ObjectStore, manifest: RawManifest, drop: Sequence[str] = (), add: str | None = None, *, tell: bool = True
) -> RawManifest:
    """Make a landed manifest and its objects those of another program version, see `recoded`.

    With `tell` false the manifest doesn't tell the columns, as the first version's didn't.
    """
    kind: TopicKind = "realtime" if manifest.topic == QUOTES else "batch"
    objects = []
    for entry in manifest.objects:
        raw_format: RawFormat = "parquet" if entry.key.endswith(".parquet") else "csv"
        data = recoded(kind, store.get(entry.key), raw_format, drop, add)
        store.delete(entry.key)
        store.create(entry.key, data)
        sha256 = hashlib.sha256(data).hexdigest()
        objects.append(RawObject(key=entry.key, rows=entry.rows, bytes=len(data), sha256=sha256))
    columns = [*([add] if add else []), *(name for name in RAW_COLUMNS[kind] if name not in drop)]
    changed = msgspec.structs.replace(manifest, objects=objects, columns=columns if tell else None)
    store.delete(layout.raw_manifest(manifest.topic, manifest.partition, manifest.start))
    return commit_raw(store, changed)


def recoded(kind: TopicKind, data: bytes, raw_format: RawFormat, drop: Sequence[str], add: str | None = None) -> bytes:
    """Return a raw object as another program version writes it: the columns `drop` left out, a column `add` first."""
    table = decode_rows(kind, f"x.{raw_format}", data).drop_columns(list(drop))
    if add:
        table = table.add_column(0, add, pa.array([f"{add} {n}" for n in range(table.num_rows)]))
    buffer = io.BytesIO()
    if raw_format == "csv":
        pa.csv.write_csv(table, buffer)
    else:
        pa.parquet.write_table(table, buffer)
    return buffer.getvalue()
