"""Where a newly assigned partition starts."""

from confluent_kafka import Consumer

from stockpipe.common.errors import DataRefused
from stockpipe.common.kafka import committed_offsets, end_offsets
from stockpipe.common.lake.manifests import chain_end
from stockpipe.common.lake.store import ObjectStore


def start_offset(reader: Consumer, store: ObjectStore, topic: str, partition: int) -> tuple[int, bool]:
    """Return the offset after the committed one's chain of manifests, and whether the group has yet to commit it.

    Manifests beyond the committed offset were written by a process that died before its commit. A group without a
    committed offset starts at the first offset that Kafka keeps.

    Raises:
        DataRefused: retention deleted offsets before they were landed, or the lake knows offsets that the topic
            doesn't have.
        Unavailable: Kafka or the store doesn't answer.
    """
    low, high = end_offsets(reader, topic, [partition])[partition]
    committed = committed_offsets(reader, topic, [partition])[partition]
    known = low if committed is None else committed
    start = chain_end(store, topic, partition, known)
    if start < low:
        raise DataRefused(
            f"offsets {start} to {low - 1} of {topic} partition {partition} are lost: Kafka's retention deleted them "
            f"before they were landed. To go on from {low}, set the group's offset with kafka-consumer-groups "
            "--reset-offsets; the gap stays visible in `stockpipe-auditor books`"
        )
    if start > high:
        raise DataRefused(
            f"the lake or the group knows offsets of {topic} partition {partition} up to {start}, the topic ends at "
            f"{high}: it was made anew. Give the new topic another name, or the consumer another LAKE_URL and group"
        )
    return start, start > known
