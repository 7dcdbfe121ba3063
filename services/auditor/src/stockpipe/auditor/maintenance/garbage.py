"""Objects that nothing needs: leftovers of what died, files that compaction replaced, objects that retention set free.

Age alone doesn't make an object removable. A consumer that died between an object and its manifest may come back
after days, find its object and list it; so may the stream. Their objects stay until a manifest proves that nobody can
write one for them any more. Everything else has a name that no second try uses, and only needs to be old.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple, cast, get_args

from stockpipe.auditor.maintenance.progress import Progress
from stockpipe.auditor.recent import MARGIN, raw_manifest_keys
from stockpipe.common.contracts.maintenance import BatchRetention, Compaction, RawRetention, decode_record
from stockpipe.common.contracts.manifests import DatasetName, decode_raw
from stockpipe.common.contracts.topics import TopicKind
from stockpipe.common.errors import ConfigError
from stockpipe.common.lake import layout
from stockpipe.common.lake.batch_rows import compactions
from stockpipe.common.lake.manifests import find_processed, processed_manifests
from stockpipe.common.lake.store import ObjectInfo, ObjectMissing, ObjectStore

ORPHAN = "orphan"
_QUOTES = "raw/realtime/"
_MARKS = (layout.RAW_RETENTIONS, layout.PROCESSED_RETENTIONS)
_RAW = re.compile(r"raw/(?:realtime|historical)/.+_p(\d+)_(\d{20})-\d{20}(?:-[0-9a-f]{12})?\.(?:csv|parquet)")
_STREAM = re.compile(r"-stream-([0-9a-f]+)-(\d{10})")
_LIVE = re.compile(rf"processed/realtime_live/.+/part-.+{_STREAM.pattern}(?:-[0-9a-f]{{12}})?\.parquet")
_BATCH = re.compile(r"processed/(historical|realtime)/.+/part-(.+)-[0-9a-f]{6}-\d{5}-.+")
_DATASET_OF: dict[str, DatasetName] = {"historical": "daily", "realtime": "realtime"}
_COMPACTED = re.compile(rf"{layout.COMPACTED}/([a-z_]+)/date=(\d{{4}}-\d\d-\d\d)/part-.+\.parquet")
_SPARK = re.compile(r"processed/(?:.+/)?(?:(?:_temporary|__magic)[^/]*/.+|_SUCCESS)")

ADOPTABLE = "that a writer which comes back may still list"
UNKNOWN = "whose names aren't this pipeline's"


class Garbage(NamedTuple):
    """An object to be removed, and why."""

    info: ObjectInfo
    reason: str


@dataclass
class Collector:
    """Finds garbage among objects that were last modified before `cutoff`.

    With `since` only manifests of that day and later are read: enough for objects of such days.
    """

    store: ObjectStore
    topics: Mapping[TopicKind, str]
    cutoff: datetime
    progress: Progress
    since: date | None = None
    kept: Counter[str] = field(default_factory=Counter)
    _old: dict[str, ObjectInfo] = field(default_factory=dict)
    _superseded: set[str] = field(default_factory=set)
    _kinds: dict[str, TopicKind] = field(default_factory=dict)
    _ends: dict[tuple[str, int], int] = field(default_factory=dict)
    _streamed: dict[str, int] = field(default_factory=dict)

    def find(self, listing: Iterable[ObjectInfo]) -> list[Garbage]:
        """Return what may be removed, in the order in which to do it.

        The objects are listed first, then compaction records, then manifests, then marks of retention: each of these is
        written before what it stands for goes, so what is needed is seen somewhere.

        Raises:
            ManifestDamaged: a manifest or record can't be read, so it isn't known what is needed.
        """
        listed = self.progress.over("listing objects", listing)
        self._old = {info.key: info for info in listed if info.modified < self.cutoff}
        self._kinds = {topic: kind for kind, topic in self.topics.items()}
        self._keep_raw()
        records = [record for dataset in get_args(DatasetName) for record in self._keep_processed(dataset)]
        protected, retired, marks = self._read_marks()
        found = [Garbage(info, "compaction record of retired batches") for info in records if info.key not in protected]
        for key, info in self._old.items():
            if key not in protected and (reason := self._reason(key, retired)):
                found.append(Garbage(info, reason))
        return found + [Garbage(info, "replaced mark") for info in marks]

    def remove(self, garbage: Iterable[Garbage]) -> None:
        """Delete each object, unless something lists it by now."""
        for each in self.progress.over("removing objects", garbage):
            if each.reason != ORPHAN or not self._is_listed(each.info.key):
                self.store.delete(each.info.key)

    def _keep_raw(self) -> None:
        """Forget objects that raw manifests list, and note where the chains end."""
        keys = raw_manifest_keys(self.store, f"{layout.RAW_MANIFESTS}/", self.since)
        for key in self.progress.over("reading raw manifests", keys):
            try:
                manifest = decode_raw(key, self.store.get(key))
            except ObjectMissing:
                continue
            for entry in manifest.objects:
                self._old.pop(entry.key, None)
                self._kinds.setdefault(manifest.topic, "realtime" if entry.key.startswith(_QUOTES) else "batch")
            self._note_end(manifest.topic, manifest.partition, manifest.end)

    def _note_end(self, topic: str, partition: int, end: int) -> None:
        self._ends[topic, partition] = max(end, self._ends.get((topic, partition), 0))

    def _keep_processed(self, dataset: DatasetName) -> list[ObjectInfo]:
        """Forget files that the dataset's batches need; return old compaction records that no batch needs."""
        records = self._records(dataset)
        places: dict[str, list[str]] = defaultdict(list)
        for key, (_info, record) in records.items():
            for batch in record.batches:
                places[batch.batch_id].append(key)
        needed = {key for key, (info, _record) in records.items() if info.modified >= self.cutoff}
        replacing = {key for key, (_info, record) in records.items() if key not in needed and self._is_whole(record)}
        first = self.since - MARGIN if self.since else None
        manifests = processed_manifests(self.store, dataset, first)
        for manifest in self.progress.over(f"reading manifests of {dataset}", manifests):
            of_batch = places.get(manifest.batch_id, [])
            needed.update(of_batch)
            # Readers take the first record that has the batch.
            replaced = bool(of_batch) and of_batch[0] in replacing
            for file in manifest.files:
                if not replaced:
                    self._old.pop(file.key, None)
                elif file.key in self._old:
                    self._superseded.add(file.key)
            if match := _STREAM.search(manifest.batch_id):
                self._streamed[match[1]] = max(int(match[2]), self._streamed.get(match[1], 0))
        for key in needed:
            for file in records[key][1].files:
                self._old.pop(file.key, None)
        return [info for key, (info, _record) in records.items() if key not in needed]

    def _records(self, dataset: DatasetName) -> dict[str, tuple[ObjectInfo, Compaction]]:
        records = {}
        after = layout.compaction_prefix(dataset, self.since - MARGIN) if self.since else ""
        for info in self.store.list(f"{layout.COMPACTIONS}/{dataset}/", after=after):
            try:
                records[info.key] = info, decode_record(info.key, self.store.get(info.key), Compaction)
            except ObjectMissing:
                continue
        return records

    def _is_whole(self, record: Compaction) -> bool:
        return all(file.key in self._old and self._old[file.key].size == file.bytes for file in record.files)

    def _read_marks(self) -> tuple[set[str], set[str], list[ObjectInfo]]:
        """Return what recent marks protect, what older ones set free, and the old marks that newer ones replaced."""
        protected: set[str] = set()
        retired: set[str] = set()
        replaced: list[ObjectInfo] = []
        raw, processed = (list(self.store.list(f"{prefix}/")) for prefix in _MARKS)
        for infos in (raw, processed):
            for number, info in enumerate(infos):
                try:
                    data = self.store.get(info.key)
                except ObjectMissing:
                    continue
                mark: RawRetention | BatchRetention
                if infos is raw:
                    mark = decode_record(info.key, data, RawRetention)
                    self._note_end(mark.topic, mark.partition, mark.end)
                else:
                    mark = decode_record(info.key, data, BatchRetention)
                (protected if info.modified >= self.cutoff else retired).update(mark.objects)
                is_newest = number + 1 == len(infos) or _folder(infos[number + 1].key) != _folder(info.key)
                if info.modified < self.cutoff and not is_newest:
                    replaced.append(info)
        return protected, retired, replaced

    def _reason(self, key: str, retired: set[str]) -> str | None:
        """Return why an unneeded old object may be removed, None if it may not."""
        if key in self._superseded:
            return "compacted"
        if key in retired:
            return "retired"
        if match := _RAW.fullmatch(key):
            kind: TopicKind = "realtime" if key.startswith(_QUOTES) else "batch"
            # A consumer writes only beyond the end of its partition's chain.
            topics = (topic for topic, its_kind in self._kinds.items() if its_kind == kind)
            orphan = all(int(match[2]) < self._ends.get((topic, int(match[1])), 0) for topic in topics)
        elif match := _LIVE.fullmatch(key):
            # The stream repeats only its last micro-batch.
            orphan = int(match[2]) <= self._streamed.get(match[1], -1)
        elif any(pattern.fullmatch(key) for pattern in (_BATCH, _COMPACTED, _SPARK)):
            orphan = True
        else:
            self.kept[UNKNOWN] += 1
            return None
        if not orphan:
            self.kept[ADOPTABLE] += 1
        return ORPHAN if orphan else None

    def _is_listed(self, key: str) -> bool:
        """Return whether a manifest or record that was written meanwhile lists a file of a batch or compaction."""
        if match := _COMPACTED.fullmatch(key):
            records = compactions(self.store, cast(DatasetName, match[1]), date.fromisoformat(match[2]))
            return any(file.key == key for _key, record in records for file in record.files)
        match = _BATCH.fullmatch(key)
        if match is None:
            return False
        try:
            manifest = find_processed(self.store, _DATASET_OF[match[1]], match[2])
        except ConfigError:
            return False
        return manifest is not None and any(file.key == key for file in manifest.files)


def list_objects(store: ObjectStore) -> Iterator[ObjectInfo]:
    """Yield all objects that a manifest could list."""
    for prefix in ("raw/", "processed/"):
        for info in store.list(prefix):
            if not info.key.removeprefix(prefix).startswith("_"):
                yield info


def _folder(key: str) -> str:
    return key.rpartition("/")[0]
