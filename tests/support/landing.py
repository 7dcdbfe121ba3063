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
from stockpipe.consumer.cli import _group_config
from stockpipe.consumer.dlq import DeadLetters
from stockpipe.consumer.flush import Flusher
from stockpipe.consumer.service import ConsumerService, Summary
from stockpipe.consumer.settings import ConsumerSettings
from support.kafka_io import Cluster


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


def check_sums(manifest: RawManifest) -> None:
    assert manifest.records + manifest.rejected + manifest.skipped == manifest.end - manifest.start
    assert manifest.records == sum(entry.rows for entry in manifest.objects)
