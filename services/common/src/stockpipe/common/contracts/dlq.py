"""Headers of a dead-letter record: the ones of Kafka Connect, and the reason in one word."""

from stockpipe.common.contracts.decode import Rejected

PREFIX = "__connect.errors."
TOPIC = PREFIX + "topic"
PARTITION = PREFIX + "partition"
OFFSET = PREFIX + "offset"
STAGE = PREFIX + "stage"
CLASS_NAME = PREFIX + "class.name"
MESSAGE = PREFIX + "exception.message"
REASON = "reason"

MAX_MESSAGE_CHARACTERS = 1000

Headers = list[tuple[str, bytes]]


def error_headers(topic: str, partition: int, offset: int, error: Rejected) -> Headers:
    """Return what is added to a rejected record's own headers; its origin is its identity in the DLQ."""
    return [
        (TOPIC, topic.encode()),
        (PARTITION, str(partition).encode()),
        (OFFSET, str(offset).encode()),
        (STAGE, b"VALUE_CONVERTER"),
        (CLASS_NAME, b"stockpipe.common.contracts.decode.RecordDecoder"),
        (MESSAGE, error.detail[:MAX_MESSAGE_CHARACTERS].encode(errors="replace")),
        (REASON, error.reason.encode()),
    ]
