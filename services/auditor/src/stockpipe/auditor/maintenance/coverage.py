"""Which raw offsets are in batches that the warehouse has: only these may retention remove."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from datetime import date
from heapq import merge

from stockpipe.common.contracts.manifests import DatasetName, OffsetRange, RawManifest, decode_processed
from stockpipe.common.lake.layout import batch_of_manifest
from stockpipe.common.lake.manifests import processed_keys
from stockpipe.common.lake.retention import batch_retention
from stockpipe.common.lake.store import ObjectMissing, ObjectStore


class Ranges:
    """A set of whole numbers as sorted ranges `start <= number < end` that don't touch."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []

    def add(self, start: int, end: int) -> None:
        """Add a range."""
        first, last = bisect_left(self._ends, start), bisect_right(self._starts, end)
        if first < last:
            start, end = min(start, self._starts[first]), max(end, self._ends[last - 1])
        self._starts[first:last], self._ends[first:last] = [start], [end]

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return zip(self._starts, self._ends, strict=True)

    def covers(self, start: int, end: int) -> bool:
        """Return whether all of the range is in the set."""
        place = bisect_right(self._starts, start) - 1
        return start >= end or (place >= 0 and end <= self._ends[place])


class Coverage:
    """Reads batches of the datasets of one topic, oldest first, only as far as it is asked."""

    def __init__(
        self,
        store: ObjectStore,
        datasets: Collection[DatasetName],
        loaded: Mapping[DatasetName, Collection[str]],
        since: date,
    ) -> None:
        """Begin with the batches of day `since`, and with those that retention removed."""
        self._store = store
        self._ranges: dict[tuple[str, int], Ranges] = defaultdict(Ranges)
        for dataset in datasets:
            mark = batch_retention(store, dataset)
            for entry in mark.inputs if mark else []:
                self._add(entry)
        keys = (processed_keys(store, dataset, since) for dataset in datasets)
        known = {batch for dataset in datasets for batch in loaded[dataset]}
        self._unread = (key for key in merge(*keys, key=batch_of_manifest) if batch_of_manifest(key) in known)

    def covers(self, manifest: RawManifest) -> bool:
        """Return whether every record of the manifest is in a batch that was loaded."""
        if not manifest.records:
            return True
        ranges = self._ranges[manifest.topic, manifest.partition]
        while not ranges.covers(manifest.start, manifest.end):
            following = next(self._unread, None)
            if following is None:
                return False
            try:
                batch = decode_processed(following, self._store.get(following))
            except ObjectMissing:
                continue
            for entry in batch.inputs:
                self._add(entry)
        return True

    def _add(self, entry: OffsetRange) -> None:
        self._ranges[entry.topic, entry.partition].add(entry.start, entry.end)
