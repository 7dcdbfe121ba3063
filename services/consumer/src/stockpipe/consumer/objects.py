"""Raw objects of one flush: quotes by event hour, bars and actions by symbol and fetch."""

import hashlib
from collections.abc import Sequence
from operator import attrgetter

from stockpipe.common.contracts.decode import Record
from stockpipe.common.contracts.manifests import RawObject
from stockpipe.common.contracts.quote import Quote
from stockpipe.common.contracts.topics import TopicKind
from stockpipe.common.lake import layout
from stockpipe.common.lake.raw_rows import RawFormat, encode_rows
from stockpipe.common.lake.store import ObjectStore, create_content
from stockpipe.common.times import from_text

Rows = tuple[list[Record], list[int]]


def group_rows(records: Sequence[Record], offsets: Sequence[int]) -> list[Rows]:
    """Return the rows of each object, in offset order."""
    names = [_object_of(record) for record in records]
    if len(set(names)) == 1:
        return [(list(records), list(offsets))]
    groups: dict[str, Rows] = {}
    for group, record, offset in zip(names, records, offsets, strict=True):
        rows = groups.get(group)
        if rows is None:
            rows = groups[group] = ([], [])
        rows[0].append(record)
        rows[1].append(offset)
    return list(groups.values())


def _object_of(record: Record) -> str:
    return record.event_time[:13] if isinstance(record, Quote) else f"{record.symbol} {record.fetch_id}"


def put_objects(
    store: ObjectStore,
    kind: TopicKind,
    partition: int,
    records: Sequence[Record],
    offsets: Sequence[int],
    raw_format: RawFormat,
) -> list[RawObject]:
    """Write the objects of one flush and return what the manifest says of them."""
    written = []
    for rows, positions in group_rows(records, offsets):
        data = encode_rows(kind, rows, partition, positions, raw_format)
        key = create_content(store, _key(kind, rows, partition, positions, raw_format), data)
        written.append(RawObject(key=key, rows=len(rows), bytes=len(data), sha256=hashlib.sha256(data).hexdigest()))
    return written


def _key(kind: TopicKind, rows: list[Record], partition: int, offsets: list[int], suffix: str) -> str:
    if kind == "realtime":
        first_event = from_text(min(map(attrgetter("event_time"), rows)))
        return layout.realtime_object(first_event, partition, offsets[0], offsets[-1], suffix)
    make = layout.historical_object if kind == "batch" else layout.actions_object
    return make(rows[0].symbol, from_text(rows[0].fetched_at), partition, offsets[0], offsets[-1], suffix)
