"""Writing, finding and walking manifests in a store."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import date

from stockpipe.common.contracts.manifests import (
    DatasetName,
    ManifestDamaged,
    ProcessedManifest,
    RawManifest,
    decode_processed,
    decode_raw,
    encode,
)
from stockpipe.common.lake import layout
from stockpipe.common.lake.retention import raw_retention
from stockpipe.common.lake.store import ObjectExists, ObjectMissing, ObjectStore


def commit_raw(store: ObjectStore, manifest: RawManifest) -> RawManifest:
    """Make `manifest` the commit record of its offsets and return it, or return the one that was there before."""
    key = layout.raw_manifest(manifest.topic, manifest.partition, manifest.start)
    try:
        store.create(key, encode(manifest))
        return manifest
    except ObjectExists:
        return decode_raw(key, store.get(key))


def find_raw(store: ObjectStore, topic: str, partition: int, start: int) -> RawManifest | None:
    """Return the commit record that begins at `start`, None if there is none."""
    key = layout.raw_manifest(topic, partition, start)
    try:
        return decode_raw(key, store.get(key))
    except ObjectMissing:
        return None


def chain_end(store: ObjectStore, topic: str, partition: int, start: int) -> int:
    """Return the offset that follows the unbroken chain of commit records from `start`.

    Offsets whose records retention has removed were committed too: the chain goes on after them.

    Raises:
        ManifestDamaged: a commit record doesn't end after its start.
    """
    retired = raw_retention(store, topic, partition)
    if retired and retired.start <= start < retired.end:
        start = retired.end
    while manifest := find_raw(store, topic, partition, start):
        if manifest.end <= start:
            raise ManifestDamaged(f"raw manifest {layout.raw_manifest(topic, partition, start)} ends at {manifest.end}")
        start = manifest.end
    return start


def raw_manifests(store: ObjectStore, topic: str) -> Iterator[RawManifest]:
    """Yield all commit records of a topic, by partition and offset, without any that retention removes meanwhile."""
    for info in store.list(layout.raw_manifest_prefix(topic)):
        if layout.parse_raw_manifest(info.key):
            with suppress(ObjectMissing):
                yield decode_raw(info.key, store.get(info.key))


def commit_processed(store: ObjectStore, manifest: ProcessedManifest) -> ProcessedManifest:
    """Make `manifest` the commit record of its batch and return it, or return the one that was there before."""
    key = layout.processed_manifest(manifest.dataset, manifest.batch_id)
    try:
        store.create(key, encode(manifest))
        return manifest
    except ObjectExists:
        return decode_processed(key, store.get(key))


def find_processed(store: ObjectStore, dataset: DatasetName, batch_id: str) -> ProcessedManifest | None:
    """Return a batch's commit record, None if it has none.

    Raises:
        ConfigError: the batch id has a wrong form.
    """
    key = layout.processed_manifest(dataset, batch_id)
    try:
        return decode_processed(key, store.get(key))
    except ObjectMissing:
        return None


def processed_keys(store: ObjectStore, dataset: DatasetName, since: date | None = None) -> Iterator[str]:
    """Yield the keys of a dataset's manifests, oldest first, of all days or from day `since` on."""
    after = layout.processed_manifest_day_prefix(dataset, since) if since else ""
    for info in store.list(layout.processed_manifest_prefix(dataset), after=after):
        if info.key.endswith(".json"):
            yield info.key


def processed_manifests(
    store: ObjectStore, dataset: DatasetName, since: date | None = None
) -> Iterator[ProcessedManifest]:
    """Yield a dataset's commit records, oldest first, without any that retention removes meanwhile."""
    for key in processed_keys(store, dataset, since):
        with suppress(ObjectMissing):
            yield decode_processed(key, store.get(key))
