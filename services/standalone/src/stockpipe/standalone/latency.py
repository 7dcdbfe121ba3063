"""Seconds from a quote's fetch to its row in the warehouse."""

from collections.abc import Sequence

from stockpipe.common.contracts.tables import REALTIME_STOCK_ANALYTICS
from stockpipe.common.lake.folder import FolderStore
from stockpipe.common.lake.manifests import processed_manifests, raw_manifests
from stockpipe.common.lake.raw_rows import OFFSET_COLUMN, decode_rows
from stockpipe.common.times import from_text
from stockpipe.common.warehouse.ledger import loaded_batches
from stockpipe.common.warehouse.reader import open_reader
from stockpipe.standalone.run_folder import RunFolder


def quote_latencies(folder: RunFolder, topic: str) -> list[float]:
    """Return, sorted, the seconds from each quote's fetch until the stream's batch that read it was loaded."""
    store = FolderStore(folder.path / "lake")
    fetched: dict[tuple[int, int], float] = {}
    for manifest in raw_manifests(store, topic):
        for entry in manifest.objects:
            table = decode_rows("realtime", entry.key, store.get(entry.key)).select([OFFSET_COLUMN, "fetched_at"])
            for row in table.to_pylist():
                fetched[manifest.partition, row[OFFSET_COLUMN]] = from_text(row["fetched_at"]).timestamp()
    with open_reader(folder.warehouse) as reader:
        ledger = reader.qualified(loaded_batches(REALTIME_STOCK_ANALYTICS.database))
        rows = reader.query(
            f"SELECT batch_id, EPOCH(loaded_at) AS loaded FROM {ledger} WHERE dataset = 'realtime_live'"
        ).to_pylist()
    loaded = {row["batch_id"]: row["loaded"] for row in rows}
    seconds = [
        loaded[manifest.batch_id] - fetched[entry.partition, offset]
        for manifest in processed_manifests(store, "realtime_live")
        if manifest.batch_id in loaded
        for entry in manifest.inputs
        for offset in range(entry.start, entry.end)
        if (entry.partition, offset) in fetched
    ]
    return sorted(seconds)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which `share` of the sorted values lie (nearest rank)."""
    return values[min(len(values) - 1, int(share * len(values)))]
