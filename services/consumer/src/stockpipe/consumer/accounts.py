"""What became of single offsets, as the raw manifests of their topic tell it."""

from bisect import bisect_right
from functools import lru_cache
from typing import Literal

import pyarrow as pa

from stockpipe.common.contracts.topics import TopicKind
from stockpipe.common.errors import PipelineError
from stockpipe.common.lake import layout
from stockpipe.common.lake.manifests import find_raw
from stockpipe.common.lake.raw_rows import OFFSET_COLUMN, decode_rows
from stockpipe.common.lake.store import ObjectStore

Fate = Literal["open", "landed", "refused"]
"""Not covered by a manifest, a row of a raw object, or neither row nor open: in the DLQ by right."""


class Accounts:
    """The manifests of one topic; those last asked for are kept."""

    def __init__(self, store: ObjectStore, kind: TopicKind, topic: str) -> None:
        self._store = store
        self._kind = kind
        self._topic = topic
        self._starts = lru_cache(maxsize=None)(self._list_starts)
        self._covered = lru_cache(maxsize=32)(self._read)

    def fate(self, partition: int, offset: int) -> Fate:
        """Return what became of the offset.

        Raises:
            PipelineError: a manifest or object can't be read.
        """
        starts = self._starts(partition)
        before = bisect_right(starts, offset)
        if not before:
            return "open"
        end, landed = self._covered(partition, starts[before - 1])
        if offset >= end:
            return "open"
        return "landed" if offset in landed else "refused"

    def _list_starts(self, partition: int) -> list[int]:
        listed = self._store.list(layout.raw_manifest_partition_prefix(self._topic, partition))
        return [found[2] for info in listed if (found := layout.parse_raw_manifest(info.key))]

    def _read(self, partition: int, start: int) -> tuple[int, frozenset[int]]:
        """Return the end of the manifest that begins at `start`, and the offsets of its rows."""
        manifest = find_raw(self._store, self._topic, partition, start)
        if manifest is None:
            return start, frozenset()
        landed: set[int] = set()
        for entry in manifest.objects:
            try:
                rows = decode_rows(self._kind, entry.key, self._store.get(entry.key))
            except pa.ArrowException as error:
                raise PipelineError(f"raw object {entry.key} can't be read: {error}") from error
            landed.update(rows[OFFSET_COLUMN].to_pylist())
        return manifest.end, frozenset(landed)
