"""Reading the commit records of some days and telling what is new in them."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC
from functools import partial
from typing import get_args
from urllib.parse import urlsplit

from openlineage.client.event_v2 import RunEvent

from stockpipe.auditor.lineage.events import Load, Places, fetched, landed, loaded, processed
from stockpipe.auditor.period import Period
from stockpipe.common.contracts.manifests import ProcessedManifest, RawManifest
from stockpipe.common.contracts.tables import DATASETS
from stockpipe.common.contracts.topics import TopicKind
from stockpipe.common.lake.manifests import processed_manifests, raw_manifests
from stockpipe.common.lake.raw_rows import decode_rows
from stockpipe.common.lake.store import ObjectMissing, ObjectStore
from stockpipe.common.settings import KafkaSettings, WarehouseSettings
from stockpipe.common.times import to_text
from stockpipe.common.warehouse.ledger import DATABASES, loaded_batches
from stockpipe.common.warehouse.reader import WarehouseReader

Tell = Callable[[RunEvent], None]


def places(kafka: KafkaSettings, store: ObjectStore, warehouse: WarehouseSettings) -> Places:
    """Return the names of what the settings mean, after OpenLineage's rules where it has one."""
    first_broker = kafka.kafka_bootstrap_server.split(",")[0]
    url = urlsplit(warehouse.warehouse_url)
    database = f"snowflake://{warehouse.snowflake_account}" if url.scheme == "snowflake" else f"duckdb://{url.path}"
    return Places(f"kafka://{first_broker}", store.url, database, warehouse.snowflake_schema)


class Telling:
    """Tells each run once as long as it lives."""

    def __init__(self, kafka: KafkaSettings, places: Places, store: ObjectStore) -> None:
        self._topics: dict[TopicKind, str] = {kind: kafka.topic(kind) for kind in get_args(TopicKind)}
        self._places = places
        self._store = store
        self._told: set[str] = set()

    def tell(self, period: Period, reader: WarehouseReader, tell: Tell) -> int:
        """Tell the runs that committed something in `period` and weren't told; return how many.

        Raises:
            Unavailable: the listener, the lake or the warehouse can't be reached; what was told stays told.
        """
        count = 0
        runs = dict(self._runs(period, reader))
        self._told &= runs.keys()
        for identity, events in runs.items():
            if identity in self._told:
                continue
            for event in events():
                tell(event)
                count += 1
            self._told.add(identity)
        return count

    def _runs(self, period: Period, reader: WarehouseReader) -> Iterator[tuple[str, Callable[[], Iterator[RunEvent]]]]:
        for kind, topic in self._topics.items():
            for raw in raw_manifests(self._store, topic):
                if period.includes(raw.written_at):
                    yield f"{topic}/{raw.partition}/{raw.start}", partial(self._raw, kind, raw)
        for name in DATASETS:
            for manifest in processed_manifests(self._store, name, period.first):
                if period.includes(manifest.produced_at):
                    yield f"{name}/{manifest.batch_id}", partial(self._processed, manifest)
        for load in loads(reader):
            if period.includes(load.loaded_at):
                yield f"load/{load.dataset}/{load.batch_id}", partial(self._loaded, load)

    def _raw(self, kind: TopicKind, manifest: RawManifest) -> Iterator[RunEvent]:
        rows: Counter[str] = Counter()
        for entry in manifest.objects:
            with suppress(ObjectMissing):  # retention was quicker
                table = decode_rows(kind, entry.key, self._store.get(entry.key))
                rows.update(table["fetch_id"].to_pylist())
        yield from fetched(manifest, rows, self._places)
        yield landed(manifest, self._places)

    def _processed(self, manifest: ProcessedManifest) -> Iterator[RunEvent]:
        yield processed(manifest, self._places)

    def _loaded(self, load: Load) -> Iterator[RunEvent]:
        yield loaded(load, self._places)


def loads(reader: WarehouseReader) -> Iterator[Load]:
    """Yield what LOADED_BATCHES of every database lists."""
    for database in DATABASES:
        name = reader.qualified(loaded_batches(database))
        found = reader.query(f'SELECT dataset, batch_id, "rows", inserted, updated, loaded_at FROM {name}')
        for row in found.rename_columns([column.lower() for column in found.column_names]).to_pylist():
            merged = row["inserted"] + row["updated"]
            loaded_at = to_text(row["loaded_at"].replace(tzinfo=UTC))
            yield Load(row["dataset"], row["batch_id"], row["rows"], merged, loaded_at)
