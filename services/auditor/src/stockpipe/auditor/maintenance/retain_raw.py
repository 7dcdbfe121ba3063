"""Retention of raw quotes: the oldest manifests of each partition's chain go; a mark keeps their totals.

Daily bars stay for ever: daily metrics are computed from all of them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from stockpipe.auditor.maintenance.coverage import Coverage
from stockpipe.auditor.maintenance.progress import Progress
from stockpipe.auditor.maintenance.report import Retired
from stockpipe.common.contracts.maintenance import RawRetention
from stockpipe.common.contracts.manifests import RawManifest, decode_raw
from stockpipe.common.lake import layout
from stockpipe.common.lake.retention import Marked, append_mark, newest_mark
from stockpipe.common.lake.store import ObjectMissing, ObjectStore
from stockpipe.common.times import from_text, to_text

ROUND = 5_000
"""Manifests that one mark stands for at most; it lists their objects."""
_MARGIN = timedelta(days=2)


@dataclass
class RawRetainer:
    """Retires manifests of one topic that were written before `before`.

    Only those go that are the oldest of their partition's chain, lie before the group's committed offset, and whose
    records are in loaded batches.
    """

    store: ObjectStore
    topic: str
    before: datetime
    now: datetime
    progress: Progress

    def run(self, committed: Mapping[int, int | None], coverage: Coverage, apply: bool) -> Iterator[Retired]:
        """Retire what may go and yield what it was, partition by partition; without `apply` only tell.

        Raises:
            ManifestDamaged: a manifest or mark can't be read.
        """
        for partition, offset in sorted(committed.items()):
            retired = Retired(f"{self.topic} partition {partition}")
            while self._round(partition, offset, coverage, apply, retired):
                continue
            if retired.manifests or retired.blocked:
                yield retired

    def oldest_day(self) -> date | None:
        """Return the day before which no batch can have read any manifest of the topic."""
        days = []
        seen: set[str] = set()
        for info in self.store.list(layout.raw_manifest_prefix(self.topic)):
            folder = info.key.rpartition("/")[0]
            if folder not in seen and layout.parse_raw_manifest(info.key):
                seen.add(folder)
                if manifest := self._get(info.key):
                    days.append(from_text(manifest.written_at).date())
        return min(days) - _MARGIN if days else None

    def _round(self, partition: int, committed: int | None, coverage: Coverage, apply: bool, retired: Retired) -> bool:
        """Retire up to `ROUND` manifests; return whether there may be more."""
        prefix = layout.raw_retention_prefix(self.topic, partition)
        marked = newest_mark(self.store, prefix, RawRetention)
        if marked and apply:
            self._remove(partition, marked.mark.end)
        going: list[RawManifest] = []
        for manifest in self.progress.over("retention of quotes", self._chain(partition, marked)):
            if why := self._held_back(manifest, committed, coverage):
                retired.blocked = why
                break
            if manifest.written_at >= to_text(self.before) or (apply and len(going) == ROUND):
                break
            going.append(manifest)
        if not going:
            return False
        if apply:
            if not append_mark(self.store, prefix, marked, self._mark(marked, going)):
                retired.blocked = "another run removes them"
                return False
            self._remove(partition, going[-1].end)
        objects = [entry for manifest in going for entry in manifest.objects]
        retired.manifests += len(going)
        retired.objects += len(objects)
        retired.bytes += sum(entry.bytes for entry in objects)
        return apply and len(going) == ROUND

    def _chain(self, partition: int, marked: Marked[RawRetention] | None) -> Iterator[RawManifest]:
        """Yield the unbroken chain of manifests from the mark on."""
        expected = marked.mark.end if marked else None
        for info in self.store.list(layout.raw_manifest_partition_prefix(self.topic, partition)):
            place = layout.parse_raw_manifest(info.key)
            if place is None or (marked and place[2] < marked.mark.end):
                continue
            manifest = self._get(info.key)
            if manifest is None or (expected is not None and manifest.start != expected):
                return
            expected = manifest.end
            yield manifest

    def _held_back(self, manifest: RawManifest, committed: int | None, coverage: Coverage) -> str:
        """Return why a manifest that is old enough must stay."""
        if manifest.written_at >= to_text(self.before):
            return ""
        if committed is None or manifest.end > committed:
            return "the consumer group has not committed their offsets"
        if not coverage.covers(manifest):
            return f"records from offset {manifest.start} on are in no loaded batch"
        return ""

    def _mark(self, marked: Marked[RawRetention] | None, going: list[RawManifest]) -> RawRetention:
        before = marked.mark if marked else None
        times = [before.max_event_time if before else None, *(manifest.max_event_time for manifest in going)]
        return RawRetention(
            topic=self.topic,
            partition=going[0].partition,
            start=before.start if before else going[0].start,
            end=going[-1].end,
            records=(before.records if before else 0) + sum(manifest.records for manifest in going),
            rejected=(before.rejected if before else 0) + sum(manifest.rejected for manifest in going),
            skipped=(before.skipped if before else 0) + sum(manifest.skipped for manifest in going),
            max_event_time=max(filter(None, times), default=None),
            objects=[entry.key for manifest in going for entry in manifest.objects],
            retained_at=to_text(self.now),
        )

    def _remove(self, partition: int, end: int) -> None:
        """Delete the manifests before `end`, which a mark stands for."""
        for info in self.store.list(layout.raw_manifest_partition_prefix(self.topic, partition)):
            place = layout.parse_raw_manifest(info.key)
            if place and place[2] >= end:
                return
            if place:
                self.store.delete(info.key)

    def _get(self, key: str) -> RawManifest | None:
        try:
            return decode_raw(key, self.store.get(key))
        except ObjectMissing:
            return None
