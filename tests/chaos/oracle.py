"""What must be in the lake and in the warehouse, by set algebra on unique ids; knows nothing of manifests' sums."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from chaos.traffic import Sent
from stockpipe.common.contracts.manifests import RawManifest
from stockpipe.common.lake.manifests import raw_manifests
from stockpipe.common.lake.raw_rows import decode_rows
from stockpipe.common.lake.store import ObjectMissing, ObjectStore

Window = tuple[str, datetime]
WINDOW = timedelta(minutes=15)


@dataclass
class Landed:
    """Ids in the raw lake. Objects never change, so each is read once."""

    store: ObjectStore
    topic: str
    counts: Counter[int] = field(default_factory=Counter)
    places: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    listed: set[str] = field(default_factory=set)
    _seen: set[tuple[int, int]] = field(default_factory=set)

    def refresh(self) -> None:
        """Read the objects of the manifests that are new."""
        for manifest in raw_manifests(self.store, self.topic):
            if (manifest.partition, manifest.start) not in self._seen:
                self._seen.add((manifest.partition, manifest.start))
                self._read(manifest)

    def _read(self, manifest: RawManifest) -> None:
        for entry in manifest.objects:
            self.listed.add(entry.key)
            try:
                data = self.store.get(entry.key)
            except ObjectMissing:
                continue
            for row in decode_rows("realtime", entry.key, data).to_pylist():
                self.counts[row["volume"]] += 1
                quote = (row["symbol"], row["event_time"])
                place = (row["kafka_offset"], row["volume"])
                self.places[quote] = min(self.places.get(quote, place), place)

    def orphans(self) -> int:
        """Return how many raw objects no manifest lists."""
        keys = {info.key for info in self.store.list("raw/realtime/")}
        return len(keys - self.listed)

    def windows(self) -> dict[Window, tuple[int, int]]:
        """Return count and volume of the distinct quotes of each 15-minute window; of copies the first counts."""
        windows: dict[Window, tuple[int, int]] = {}
        for (symbol, event_time), (_offset, volume) in self.places.items():
            at = datetime.fromisoformat(event_time).replace(tzinfo=None)
            start = at - (at - datetime.min) % WINDOW
            count, total = windows.get((symbol, start), (0, 0))
            windows[symbol, start] = (count + 1, total + volume)
        return windows


@dataclass(frozen=True)
class Verdict:
    """Ids that are wrong; all empty is the promise kept."""

    lost: frozenset[int]
    twice: frozenset[int]
    phantom: frozenset[int]

    def __bool__(self) -> bool:
        """Return whether anything is wrong."""
        return bool(self.lost or self.twice or self.phantom)


def judge(sent: Sent, landed: Landed, dead: Iterable[int]) -> Verdict:
    """Hold what was acknowledged against the raw lake and the DLQ, where a record may lie more than once."""
    rejected = set(dead)
    final = landed.counts.keys() | rejected
    misplaced = (landed.counts.keys() & sent.bad) | (rejected & sent.quotes.keys())
    return Verdict(
        lost=frozenset(sent.acknowledged - final),
        twice=frozenset(identity for identity, count in landed.counts.items() if count > 1),
        phantom=frozenset(final - sent.quotes.keys() - sent.bad) | misplaced,
    )


def wrong_windows(landed: Landed, rows: Iterable[Mapping[str, Any]]) -> dict[Window, tuple[Any, Any]]:
    """Return the windows of which the warehouse has other counts than the raw quotes: (expected, found)."""
    expected = landed.windows()
    found = {(row["symbol"], row["window_start"]): (row["record_count_15m"], row["volume_sum_15m"]) for row in rows}
    return {
        window: (expected.get(window), found.get(window))
        for window in expected.keys() | found.keys()
        if expected.get(window) != found.get(window)
    }
