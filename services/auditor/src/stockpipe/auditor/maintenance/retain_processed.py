"""Retention of processed batches that the warehouse has: their manifests go; a mark keeps their totals."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from stockpipe.auditor.maintenance.coverage import Ranges
from stockpipe.auditor.maintenance.progress import Progress
from stockpipe.auditor.maintenance.report import Retired
from stockpipe.common.contracts.maintenance import BatchRetention
from stockpipe.common.contracts.manifests import DatasetName, OffsetRange, ProcessedManifest, decode_processed
from stockpipe.common.ids import batch_day
from stockpipe.common.lake import layout
from stockpipe.common.lake.batch_rows import BatchRows
from stockpipe.common.lake.manifests import processed_keys
from stockpipe.common.lake.retention import Marked, append_mark, newest_mark
from stockpipe.common.lake.store import ObjectMissing, ObjectStore
from stockpipe.common.times import to_text

ROUND = 5_000
"""Batches that one mark stands for at most; it lists their objects."""


@dataclass
class BatchRetainer:
    """Retires batches of one dataset that were produced before `before` and are in `loaded`."""

    store: ObjectStore
    dataset: DatasetName
    loaded: Collection[str]
    before: datetime
    now: datetime
    progress: Progress

    def run(self, apply: bool) -> Iterator[Retired]:
        """Retire what may go and yield what it was; without `apply` only tell.

        Raises:
            ManifestDamaged: a manifest or mark can't be read.
        """
        retired = Retired(self.dataset)
        while self._round(apply, retired):
            continue
        if retired.manifests or retired.blocked:
            yield retired

    def _round(self, apply: bool, retired: Retired) -> bool:
        """Retire up to `ROUND` batches; return whether there may be more."""
        prefix = layout.processed_retention_prefix(self.dataset)
        marked = newest_mark(self.store, prefix, BatchRetention)
        removed = marked.mark.removed if marked else []
        if apply:
            self._remove(removed)
        going: list[ProcessedManifest] = []
        for manifest in self.progress.over(f"retention of {self.dataset}", self._old(set(removed), retired)):
            going.append(manifest)
            if apply and len(going) == ROUND:
                break
        if not going:
            return False
        if apply:
            if not append_mark(self.store, prefix, marked, self._mark(marked, going)):
                retired.blocked = "another run removes them"
                return False
            self._remove([manifest.batch_id for manifest in going])
        files = [file for manifest in going for file in manifest.files]
        retired.manifests += len(going)
        retired.objects += len(files)
        retired.bytes += sum(file.bytes for file in files)
        return apply and len(going) == ROUND

    def _old(self, removed: Collection[str], retired: Retired) -> Iterator[ProcessedManifest]:
        for key in processed_keys(self.store, self.dataset):
            batch_id = layout.batch_of_manifest(key)
            if batch_day(batch_id) > self.before.date():
                return
            if batch_id in removed:
                continue
            try:
                manifest = decode_processed(key, self.store.get(key))
            except ObjectMissing:
                continue
            if manifest.produced_at >= to_text(self.before):
                continue
            if batch_id in self.loaded:
                yield manifest
            else:
                retired.blocked = "some aren't loaded"

    def _mark(self, marked: Marked[BatchRetention] | None, going: list[ProcessedManifest]) -> BatchRetention:
        before = marked.mark if marked else None
        rows = BatchRows(self.store, self.dataset)
        days = [batch_day(manifest.batch_id).isoformat() for manifest in going]
        inputs = [entry for manifest in going for entry in manifest.inputs]
        return BatchRetention(
            dataset=self.dataset,
            until=max(before.until if before else "", *days),
            batches=(before.batches if before else 0) + len(going),
            rows=(before.rows if before else 0) + sum(manifest.rows_out for manifest in going),
            inputs=_merged([*(before.inputs if before else []), *inputs]),
            removed=[manifest.batch_id for manifest in going],
            objects=list(dict.fromkeys(key for manifest in going for key in rows.keys(manifest))),
            retained_at=to_text(self.now),
        )

    def _remove(self, batch_ids: Iterable[str]) -> None:
        for batch_id in batch_ids:
            self.store.delete(layout.processed_manifest(self.dataset, batch_id))


def _merged(inputs: Iterable[OffsetRange]) -> list[OffsetRange]:
    def place(entry: OffsetRange) -> tuple[str, int]:
        return entry.topic, entry.partition

    merged = []
    for (topic, partition), group in groupby(sorted(inputs), key=place):
        ranges = Ranges()
        for entry in group:
            ranges.add(entry.start, entry.end)
        merged += [OffsetRange(topic=topic, partition=partition, start=start, end=end) for start, end in ranges]
    return merged
