"""The raw manifests of the last days, without reading the others."""

from collections.abc import Iterator
from datetime import date, timedelta
from itertools import groupby

from stockpipe.common.contracts.manifests import ManifestDamaged, decode_raw
from stockpipe.common.lake import layout
from stockpipe.common.lake.store import ObjectMissing, ObjectStore

MARGIN = timedelta(days=2)
"""How much earlier than a period its first manifests are looked for: ids and clocks of writers may lag."""


def raw_manifest_keys(store: ObjectStore, prefix: str, since: date | None) -> Iterator[str]:
    """Yield the keys of raw manifests by partition and offset: all, or those written from `since` on and some more.

    Manifests of a partition are written in the order of their offsets, so few must be read to find where a day begins.
    """
    keys = [info.key for info in store.list(prefix) if layout.parse_raw_manifest(info.key)]
    for _partition, group in groupby(keys, key=lambda key: key.rpartition("/")[0]):
        chain = list(group)
        yield from chain[_first(store, chain, since) :]


def _first(store: ObjectStore, chain: list[str], since: date | None) -> int:
    """Return the position of the first manifest written on `since` less the margin, by bisection."""
    if since is None:
        return 0
    text = (since - MARGIN).isoformat()
    low, high = 0, len(chain)
    while low < high:
        middle = (low + high) // 2
        try:
            earlier = decode_raw(chain[middle], store.get(chain[middle])).written_at < text
        except ObjectMissing:
            earlier = True  # retention removes the oldest ones
        except ManifestDamaged:
            earlier = False  # for the caller to find
        low, high = (middle + 1, high) if earlier else (low, middle)
    return low
