"""`stockpipe-consumer`."""

import os
import socket
from dataclasses import asdict
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry

from stockpipe.common.cli import Command, print_summary, run_program
from stockpipe.common.clock import Clock, SystemClock
from stockpipe.common.contracts.topics import dlq_topic
from stockpipe.common.errors import DataRefused
from stockpipe.common.health import WatchedClock
from stockpipe.common.kafka import group_reader, new_consumer, require_topics
from stockpipe.common.lake.open import open_lake
from stockpipe.common.lake.store import ObjectStore
from stockpipe.common.logs import configure_logs
from stockpipe.common.metrics import ConsumerMetrics
from stockpipe.common.service import collect_rarely, serve_metrics, stop_on_signals
from stockpipe.consumer.accounts import Accounts
from stockpipe.consumer.dlq import DeadLetters
from stockpipe.consumer.flush import Flusher
from stockpipe.consumer.once import OnceProducer
from stockpipe.consumer.redrive import Redrive
from stockpipe.consumer.service import ConsumerService
from stockpipe.consumer.settings import ConsumerSettings, RedriveSettings

LINGER_SECONDS = 60.0
"""How long a consumer whose breaker tripped still serves its metrics; two rounds of a usual Prometheus."""


def consume(settings: ConsumerSettings, store: ObjectStore, clock: Clock) -> int:
    """Wire the service, run it, print its summary and return the exit code."""
    log = configure_logs("consumer", settings.log_level)
    stop = stop_on_signals()
    watched = WatchedClock(clock, settings.stall_seconds)
    registry = CollectorRegistry()
    metrics = ConsumerMetrics(registry)
    topic = settings.topic(settings.topic_kind)
    group = settings.consumer_group(settings.topic_kind)
    consumer, errors = new_consumer(settings, log, group, **_group_config(settings))
    partitions = require_topics(consumer, settings, topic, dlq_topic(topic))[topic]
    serve_metrics(registry, settings.metrics_port, watched)
    flusher = Flusher(
        store,
        DeadLetters(settings, log, topic),
        watched,
        topic,
        settings.topic_kind,
        settings.raw_format,
        writer=f"{socket.gethostname()}:{os.getpid()}",
    )
    reader = group_reader(settings, group)
    collect_rarely()
    service = ConsumerService(settings, consumer, errors, reader, flusher, store, watched, metrics, log, partitions)
    try:
        summary = service.run(stop)
    except DataRefused:
        # Once the process is gone, Prometheus never learns why.
        if settings.metrics_port:
            watched.wait(LINGER_SECONDS, stop)
        raise
    print_summary(settings, asdict(summary))
    return 0


def redrive(settings: RedriveSettings, store: ObjectStore, clock: Clock) -> int:
    """Wire the redrive, run it, print its summary and return the exit code."""
    log = configure_logs("consumer", settings.log_level)
    topic = settings.topic(settings.topic_kind)
    reader = group_reader(settings, settings.consumer_group(settings.topic_kind))
    try:
        partitions = require_topics(reader, settings, topic, dlq_topic(topic))[dlq_topic(topic)]
        # Made before the DLQ is read: it waits until what an older redrive began is decided.
        producer = None if settings.dry_run else OnceProducer(settings, log, topic)
        accounts = Accounts(store, settings.topic_kind, topic)
        summary = Redrive(settings, reader, producer, accounts, clock, partitions).run()
    finally:
        reader.close()
    print(msgspec.json.encode(asdict(summary)).decode(), flush=True)
    return 0


def _group_config(settings: ConsumerSettings) -> dict[str, Any]:
    config: dict[str, Any] = {"group.protocol": settings.kafka_group_protocol}
    if settings.kafka_group_protocol == "classic":
        config["partition.assignment.strategy"] = "cooperative-sticky"
    if settings.kafka_group_instance_id:
        config["group.instance.id"] = settings.kafka_group_instance_id
    return config


def main() -> None:
    """Run the program."""
    run_program(
        "stockpipe-consumer",
        {
            "": Command(ConsumerSettings, lambda settings: consume(settings, open_lake(settings), SystemClock())),
            "redrive": Command(RedriveSettings, lambda settings: redrive(settings, open_lake(settings), SystemClock())),
        },
    )
