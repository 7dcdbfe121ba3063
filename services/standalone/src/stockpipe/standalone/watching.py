"""How far the pipeline has come, seen from outside: Kafka's offsets, the lake's manifests, the warehouse's ledger."""

from dataclasses import dataclass

from confluent_kafka import Consumer

from stockpipe.common.contracts.manifests import DatasetName
from stockpipe.common.contracts.tables import DATASETS
from stockpipe.common.errors import Unavailable
from stockpipe.common.kafka import committed_offsets, end_offsets, group_reader
from stockpipe.common.lake import layout
from stockpipe.common.lake.folder import FolderStore
from stockpipe.common.lake.manifests import processed_keys, processed_manifests
from stockpipe.common.settings import KafkaSettings
from stockpipe.common.warehouse.ledger import loaded_batches
from stockpipe.common.warehouse.reader import open_reader
from stockpipe.standalone.broker import Broker
from stockpipe.standalone.pipeline import TOPICS
from stockpipe.standalone.run_folder import RunFolder

PARTITIONS = range(6)


@dataclass(frozen=True)
class Progress:
    """Records of a topic that are in Kafka, and how many of them the raw lake has committed."""

    in_kafka: int
    landed: int


class Watcher:
    """Looks at a running pipeline; asks the same places as an operator would."""

    def __init__(self, folder: RunFolder, broker: Broker) -> None:
        self._folder = folder
        self._store = FolderStore(folder.path / "lake")
        settings = KafkaSettings(kafka_bootstrap_server=broker.bootstrap, kafka_security_protocol="PLAINTEXT")
        self._readers: dict[str, Consumer] = {
            TOPICS[0]: group_reader(settings, settings.consumer_group("realtime")),
            TOPICS[1]: group_reader(settings, settings.consumer_group("batch")),
        }

    def close(self) -> None:
        """Close the Kafka clients."""
        for reader in self._readers.values():
            reader.close()

    def landing(self, topic: str) -> Progress:
        """Return how far the consumer of `topic` is; before Kafka can tell, nothing is landed."""
        reader = self._readers[topic]
        ends = end_offsets(reader, topic, PARTITIONS)
        try:
            committed = committed_offsets(reader, topic, PARTITIONS)
        except Unavailable:
            committed = {}
        return Progress(sum(high for _low, high in ends.values()), sum(offset or 0 for offset in committed.values()))

    def stream_runs(self) -> bool:
        """Return whether the stream job has begun its query: it writes this file first."""
        return any(True for _info in self._store.list("checkpoints/realtime_live/metadata"))

    def streamed(self) -> int:
        """Return how many offsets of quotes the stream job has committed."""
        manifests = processed_manifests(self._store, "realtime_live")
        return sum(entry.end - entry.start for manifest in manifests for entry in manifest.inputs)

    def unloaded(self) -> set[tuple[DatasetName, str]]:
        """Return the processed batches that the warehouse doesn't have yet."""
        made = {(name, layout.batch_of_manifest(key)) for name in DATASETS for key in processed_keys(self._store, name)}
        if not made:
            return set()
        with open_reader(self._folder.warehouse) as reader:
            for database in {dataset.table.database for dataset in DATASETS.values()}:
                ledger = reader.qualified(loaded_batches(database))
                loaded = reader.query(f"SELECT dataset, batch_id FROM {ledger}")
                made -= {(row["dataset"], row["batch_id"]) for row in loaded.to_pylist()}
        return made
