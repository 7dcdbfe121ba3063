"""What Kafka says: the offsets it keeps, those the consumer committed, and what lies in the DLQ."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from confluent_kafka import Consumer

from stockpipe.common.contracts import dlq
from stockpipe.common.contracts.topics import TopicKind, dlq_topic
from stockpipe.common.errors import ConfigError
from stockpipe.common.kafka import (
    committed_offsets,
    end_offsets,
    group_reader,
    header_list,
    read_to_end,
    require_topics,
)
from stockpipe.common.settings import KafkaSettings


@dataclass(frozen=True)
class PartitionOffsets:
    """Of one partition: the first kept offset, the one after the last record, the committed one."""

    low: int
    high: int
    committed: int | None


@dataclass
class TopicOffsets:
    """Of one topic: its partitions, and the offsets by partition that the DLQ stands for.

    `reasons` counts these by why they were refused. `dlq_complete` is false once the DLQ's own retention deleted
    records.
    """

    topic: str
    partitions: dict[int, PartitionOffsets] = field(default_factory=dict)
    dead: dict[int, set[int]] = field(default_factory=dict)
    reasons: Counter[str] = field(default_factory=Counter)
    dlq_complete: bool = True


def landed_kinds(settings: KafkaSettings) -> list[TopicKind]:
    """Return the kinds of topics to audit; that of actions is there only where a source knows actions.

    Raises:
        Unavailable: no broker answers.
    """
    reader = group_reader(settings, settings.consumer_group("actions"))
    try:
        require_topics(reader, settings, settings.topic("actions"))
    except ConfigError:
        return ["batch", "realtime"]
    finally:
        reader.close()
    return ["batch", "realtime", "actions"]


def topic_offsets(settings: KafkaSettings, kind: TopicKind) -> TopicOffsets:
    """Ask Kafka about the topic of this kind.

    Raises:
        Unavailable: no broker answers.
        ConfigError: the topic doesn't exist.
    """
    topic = settings.topic(kind)
    reader = group_reader(settings, settings.consumer_group(kind))
    try:
        dead_topic = dlq_topic(topic)
        counts = require_topics(reader, settings, topic, dead_topic)
        ends = end_offsets(reader, topic, range(counts[topic]))
        committed = committed_offsets(reader, topic, range(counts[topic]))
        found = TopicOffsets(
            topic,
            {partition: PartitionOffsets(low, high, committed[partition]) for partition, (low, high) in ends.items()},
        )
        dead_ends = end_offsets(reader, dead_topic, range(counts[dead_topic]))
        found.dlq_complete = all(low == 0 for low, _high in dead_ends.values())
        _add_dead_letters(found, reader, dead_topic, dead_ends)
        return found
    finally:
        reader.close()


def committed_by_partition(settings: KafkaSettings, kind: TopicKind) -> dict[int, int | None]:
    """Return the consumer's committed offset of each partition of the topic of this kind, None where it has none.

    Raises:
        Unavailable: no broker answers.
        ConfigError: the topic doesn't exist.
    """
    topic = settings.topic(kind)
    reader = group_reader(settings, settings.consumer_group(kind))
    try:
        return committed_offsets(reader, topic, range(require_topics(reader, settings, topic)[topic]))
    finally:
        reader.close()


def _add_dead_letters(found: TopicOffsets, reader: Consumer, dead_topic: str, ends: dict[int, tuple[int, int]]) -> None:
    """Add the distinct original offsets by original partition; a record may lie in the DLQ twice."""
    dead: dict[int, set[int]] = defaultdict(set)
    for message in read_to_end(reader, dead_topic, ends):
        letter = dlq.dead_letter(header_list(message))
        if letter and letter.topic == found.topic and letter.offset not in dead[letter.partition]:
            dead[letter.partition].add(letter.offset)
            found.reasons[letter.reason] += 1
    found.dead = dead
