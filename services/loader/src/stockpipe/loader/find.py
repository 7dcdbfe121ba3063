"""Finds a batch's manifest."""

from stockpipe.common.contracts.manifests import DatasetName, ManifestDamaged, ProcessedManifest
from stockpipe.common.errors import ConfigError
from stockpipe.common.lake import layout
from stockpipe.common.lake.manifests import find_processed
from stockpipe.common.lake.store import ObjectStore


def find_batch(store: ObjectStore, dataset: DatasetName, batch_id: str) -> ProcessedManifest:
    """Return the batch's manifest.

    Raises:
        ConfigError: the id has a wrong form, or there is no such batch.
        ManifestDamaged: the manifest can't be read, or is another batch's.
    """
    manifest = find_processed(store, dataset, batch_id)
    key = layout.processed_manifest(dataset, batch_id)
    if manifest is None:
        raise ConfigError(f"dataset {dataset} has no batch {batch_id}: {key} is missing in {store.url}")
    if (manifest.dataset, manifest.batch_id) != (dataset, batch_id):
        raise ManifestDamaged(f"manifest {key} is of batch {manifest.batch_id} of {manifest.dataset}")
    return manifest
