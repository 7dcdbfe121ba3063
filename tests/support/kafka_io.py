"""Producing and reading raw messages, for tests."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec
from confluent_kafka import Consumer, Message, Producer, TopicPartition

from stockpipe.common.contracts.daily_bar import DailyBar
from stockpipe.common.contracts.quote import Quote
from stockpipe.common.kafka import committed_offsets, end_offsets, read_to_end
from stockpipe.standalone.broker import Broker

_numbers = itertools.count(1)


def new_topic(broker: Broker, partitions: int = 3) -> str:
    """Create a topic (and its DLQ) that no other test uses."""
    name = f"topic-{next(_numbers)}"
    broker.create_topics(name, partitions=partitions)
    return name


@dataclass
class Raw:
    """A message as bytes."""

    value: bytes | None
    key: bytes | None = b"AAPL"
    headers: Sequence[tuple[str, bytes]] = (("schema", b"quote.v1"),)
    partition: int = -1


def encoded(record: Quote | DailyBar, partition: int = -1) -> Raw:
    schema = b"quote.v1" if isinstance(record, Quote) else b"daily_bar.v1"
    headers = (
        ("schema", schema),
        ("fetch_id", record.fetch_id.encode()),
        ("request", b"sample " + record.symbol.encode()),
    )
    return Raw(msgspec.json.encode(record), record.symbol.encode(), headers, partition)


class Cluster(Protocol):
    """A real broker or librdkafka's mock."""

    bootstrap: str


def produce(broker: Cluster, topic: str, messages: Iterable[Raw]) -> None:
    config = {
        "bootstrap.servers": broker.bootstrap,
        "log_level": 2,
        "partitioner": "murmur2_random",
        "enable.idempotence": True,
    }
    producer = Producer({**config, "linger.ms": 5})
    for message in messages:
        producer.produce(
            topic, message.value, key=message.key, headers=list(message.headers), partition=message.partition
        )
    assert producer.flush(30) == 0


def read_all(broker: Broker, topic: str) -> list[Message]:
    """Return every record of the topic, by partition and offset; what transactions aborted is none."""
    consumer = Consumer(
        {
            "bootstrap.servers": broker.bootstrap,
            "log_level": 2,
            "group.id": "test-reader",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
    )
    try:
        partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        found = read_to_end(consumer, topic, end_offsets(consumer, topic, partitions))
        return sorted(found, key=lambda m: (m.partition() or 0, m.offset() or 0))
    finally:
        consumer.close()


def committed(broker: Cluster, topic: str, kind: str = "realtime") -> dict[int, int | None]:
    """Return the committed offsets of the test's consumer group; None where there is none."""
    reader = Consumer({"bootstrap.servers": broker.bootstrap, "log_level": 2, "group.id": f"{topic}-{kind}"})
    try:
        partitions = reader.list_topics(topic, timeout=10).topics[topic].partitions
        return committed_offsets(reader, topic, partitions)
    finally:
        reader.close()


def end_offset(broker: Broker, topic: str, partition: int = 0) -> int:
    """Return the offset after the partition's last record or marker."""
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "log_level": 2, "group.id": "test-reader"})
    try:
        return int(consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)[1])
    finally:
        consumer.close()
