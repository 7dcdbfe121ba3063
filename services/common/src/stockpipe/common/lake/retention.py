"""Marks of what retention removed.

A mark carries totals of everything removed so far, so the newest one says it all. It is written before anything is
removed: who lists manifests first and looks for marks then can't miss what became of a manifest that is gone.
"""

import re
from collections.abc import Iterator
from typing import Generic, NamedTuple, TypeVar

import msgspec

from stockpipe.common.contracts.maintenance import BatchRetention, RawRetention, decode_record
from stockpipe.common.contracts.manifests import DatasetName, encode
from stockpipe.common.lake import layout
from stockpipe.common.lake.store import ObjectExists, ObjectMissing, ObjectStore

M = TypeVar("M", RawRetention, BatchRetention)
_NAME = re.compile(r"(\d{8})\.json")


class Marked(NamedTuple, Generic[M]):
    """A mark and its number."""

    number: int
    mark: M


def raw_retention(store: ObjectStore, topic: str, partition: int) -> RawRetention | None:
    """Return what retention removed of a topic partition, None if nothing."""
    newest = newest_mark(store, layout.raw_retention_prefix(topic, partition), RawRetention)
    return newest.mark if newest else None


def raw_retentions(store: ObjectStore, topic: str) -> Iterator[RawRetention]:
    """Yield what retention removed of each partition of a topic that it removed something of."""
    prefixes = {info.key.rpartition("/")[0] + "/" for info in store.list(layout.raw_retention_prefix(topic))}
    for prefix in sorted(prefixes):
        if newest := newest_mark(store, prefix, RawRetention):
            yield newest.mark


def batch_retention(store: ObjectStore, dataset: DatasetName) -> BatchRetention | None:
    """Return what retention removed of a dataset, None if nothing."""
    newest = newest_mark(store, layout.processed_retention_prefix(dataset), BatchRetention)
    return newest.mark if newest else None


def newest_mark(store: ObjectStore, prefix: str, type_: type[M]) -> Marked[M] | None:
    """Return the newest mark below `prefix`.

    Raises:
        ManifestDamaged: it can't be read.
    """
    while keys := [info.key for info in store.list(prefix) if _NAME.fullmatch(info.key.removeprefix(prefix))]:
        try:
            mark = decode_record(keys[-1], store.get(keys[-1]), type_)
        except ObjectMissing:
            continue  # a newer one has replaced it meanwhile
        return Marked(int(keys[-1].removeprefix(prefix).removesuffix(".json")), mark)
    return None


def append_mark(store: ObjectStore, prefix: str, before: Marked[M] | None, mark: msgspec.Struct) -> bool:
    """Write the mark that follows `before`; return False, with nothing written, if another one does so already."""
    try:
        store.create(layout.retention_mark(prefix, before.number + 1 if before else 0), encode(mark))
    except ObjectExists:
        return False
    return True
