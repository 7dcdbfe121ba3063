"""Raw objects of one flush: quotes by event hour, bars and actions by symbol and fetch."""

import hashlib
from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from stockpipe.common.contracts.manifests import RawObject
from stockpipe.common.contracts.topics import TopicKind
from stockpipe.common.lake import layout
from stockpipe.common.lake.raw_rows import OFFSET_COLUMN, RawFormat, encode_rows
from stockpipe.common.lake.store import ObjectStore, create_content
from stockpipe.common.times import from_text

_HOUR_LENGTH = len("2026-11-23T14")


def group_rows(kind: TopicKind, rows: pa.Table) -> list[pa.Table]:
    """Return the rows of each object, in offset order."""
    names: Iterable[object]
    if kind == "realtime":
        hours = pc.utf8_slice_codeunits(rows["event_time"], 0, _HOUR_LENGTH)
        if len(hours.unique()) == 1:
            return [rows]
        names = hours.to_pylist()
    else:
        names = zip(rows["symbol"].to_pylist(), rows["fetch_id"].to_pylist(), strict=True)
    groups: dict[object, list[int]] = {}
    for place, name in enumerate(names):
        groups.setdefault(name, []).append(place)
    return [rows.take(places) for places in groups.values()]


def put_objects(
    store: ObjectStore, kind: TopicKind, partition: int, rows: pa.Table, raw_format: RawFormat
) -> list[RawObject]:
    """Write the objects of one flush and return what the manifest says of them."""
    written = []
    for group in group_rows(kind, rows):
        data = encode_rows(group, raw_format)
        key = create_content(store, _key(kind, group, partition, raw_format), data)
        sha256 = hashlib.sha256(data).hexdigest()
        written.append(RawObject(key=key, rows=group.num_rows, bytes=len(data), sha256=sha256))
    return written


def _key(kind: TopicKind, rows: pa.Table, partition: int, suffix: str) -> str:
    offsets = rows[OFFSET_COLUMN]
    ends = offsets[0].as_py(), offsets[-1].as_py()
    if kind == "realtime":
        first_event = from_text(pc.min(rows["event_time"]).as_py())
        return layout.realtime_object(first_event, partition, *ends, suffix)
    make = layout.historical_object if kind == "batch" else layout.actions_object
    return make(rows["symbol"][0].as_py(), from_text(rows["fetched_at"][0].as_py()), partition, *ends, suffix)
