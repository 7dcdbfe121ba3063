"""Running the consumer, and checking what it landed."""

import logging
import threading
from pathlib import Path
from typing import Any

import structlog
from prometheus_client import CollectorRegistry

from stockpipe.common.clock import Clock, SystemClock
from stockpipe.common.contracts.manifests import RawManifest
from stockpipe.common.contracts.topics import TopicKind
from stockpipe.common.kafka import group_reader, new_consumer, require_topics
from stockpipe.common.lake.folder import FolderStore
from stockpipe.common.lake.manifests import raw_manifests
from stockpipe.common.lake.raw_rows import decode_rows
from stockpipe.common.lake.store import ObjectStore
from stockpipe.common.logs import Logger
from stockpipe.common.metrics import ConsumerMetrics
from stockpipe.consumer.breaker import Breaker
from stockpipe.consumer.buffer import PartitionBuffer
from stockpipe.consumer.cli import _group_config
from stockpipe.consumer.dlq import DeadLetters
from stockpipe.consumer.flush import Flusher
from stockpipe.consumer.intake import Intake
from stockpipe.consumer.service import ConsumerService, Summary
from stockpipe.consumer.settings import ConsumerSettings
from stockpipe.standalone.broker import Broker
from support.kafka_io import Cluster, read_all


def quiet_log() -> Logger:
    log: Logger = structlog.wrap_logger(
        structlog.PrintLogger(), wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL)
    )
    return log


def settings_for(broker: Cluster, topic: str, kind: TopicKind = "realtime", **changes: Any) -> ConsumerSettings:
    names: dict[str, Any] = {f"kafka_topic_{kind}": topic}
    return ConsumerSettings(
        topic=kind,
        kafka_bootstrap_server=broker.bootstrap,
        kafka_consumer_group_prefix=f"{topic}-",
        lake_url="file:///unused",
        **names,
        **changes,
    )


def build(
    settings: ConsumerSettings, store: ObjectStore, clock: Clock | None = None, writer: str = "test"
) -> ConsumerService:
    log = quiet_log()
    topic = settings.topic(settings.topic_kind)
    clock = clock or SystemClock()
    group = settings.consumer_group(settings.topic_kind)
    consumer, errors = new_consumer(settings, log, group, **_group_config(settings))
    partitions = require_topics(consumer, settings, topic)[topic]
    flusher = Flusher(
        store, DeadLetters(settings, log, topic), clock, topic, settings.topic_kind, settings.raw_format, writer
    )
    metrics = ConsumerMetrics(CollectorRegistry())
    return ConsumerService(
        settings, consumer, errors, group_reader(settings, group), flusher, store, clock, metrics, log, partitions
    )


def drain(broker: Cluster, topic: str, lake: Path, kind: TopicKind = "realtime", **changes: Any) -> Summary:
    return build(settings_for(broker, topic, kind, drain=True, **changes), FolderStore(lake)).run(threading.Event())


def landed(lake: Path, topic: str, kind: TopicKind = "realtime") -> dict[int, list[tuple[int, dict[str, Any]]]]:
    """Return offset and row of everything the manifests list, by partition; checks the chain and every sum."""
    store = FolderStore(lake)
    rows: dict[int, list[tuple[int, dict[str, Any]]]] = {}
    ends: dict[int, int] = {}
    for manifest in raw_manifests(store, topic):
        assert ends.setdefault(manifest.partition, manifest.start) == manifest.start
        ends[manifest.partition] = manifest.end
        check_sums(manifest)
        for entry in manifest.objects:
            table = decode_rows(kind, entry.key, store.get(entry.key))
            assert table.num_rows == entry.rows
            for row in table.to_pylist():
                assert row["kafka_partition"] == manifest.partition
                assert manifest.start <= row["kafka_offset"] < manifest.end
                rows.setdefault(manifest.partition, []).append((row["kafka_offset"], row))
    for found in rows.values():
        found.sort(key=lambda pair: pair[0])
        offsets = [offset for offset, _row in found]
        assert len(set(offsets)) == len(offsets)
    return rows


def volumes(lake: Path, topic: str) -> list[int]:
    """Return the volumes of all quotes that the manifests list."""
    return sorted(row["volume"] for rows in landed(lake, topic).values() for _offset, row in rows)


def buffer_of(broker: Broker, topic: str, records: int) -> PartitionBuffer:
    """Return a buffer with the first records of partition 0."""
    buffer = PartitionBuffer("realtime", 0, 0)
    assert Intake("realtime", Breaker()).take(iter(read_all(broker, topic)[:records]), buffer, 0.0) is None
    return buffer


def land_as_another(broker: Broker, lake: Path, topic: str, records: int) -> None:
    """Write the manifest of the first records of partition 0, as another consumer."""
    other = build(settings_for(broker, topic), FolderStore(lake), writer="other")
    other._writer.start([buffer_of(broker, topic, records)])
    assert other._writer.finish()[1] is None
    other._writer.close()
    other._consumer.close()


def check_sums(manifest: RawManifest) -> None:
    assert manifest.records + manifest.rejected + manifest.skipped == manifest.end - manifest.start
    assert manifest.records == sum(entry.rows for entry in manifest.objects)
