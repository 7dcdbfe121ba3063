"""Headers of a dead-letter record: the ones of Kafka Connect, and the reason in one word; and those of a redrive."""

from collections.abc import Sequence
from dataclasses import dataclass

from stockpipe.common.contracts.decode import Rejected

PREFIX = "__connect.errors."
TOPIC = PREFIX + "topic"
PARTITION = PREFIX + "partition"
OFFSET = PREFIX + "offset"
STAGE = PREFIX + "stage"
CLASS_NAME = PREFIX + "class.name"
MESSAGE = PREFIX + "exception.message"
REASON = "reason"

ATTEMPT = "redrive.attempt"
"""How often a record was sent back to its topic."""
ORIGIN = "redrive.origin"
"""Where a record that was sent back had been refused."""
SENT = "redrive.sent"
"""Marks a DLQ record that is no dead letter: the one of this origin was sent back."""

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


@dataclass(frozen=True)
class DeadLetter:
    """What a DLQ record tells of the record it stands for: its place, why it was refused, its own headers."""

    topic: str
    partition: int
    offset: int
    reason: str
    headers: Sequence[tuple[str, bytes | None]]

    @property
    def origin(self) -> str:
        """Return its identity; a record may lie in the DLQ twice."""
        return f"{self.topic}/{self.partition}/{self.offset}"

    @property
    def attempts(self) -> int:
        """Return how often it was sent back before."""
        found = dict(self.headers).get(ATTEMPT) or b""
        return int(found) if found.isdigit() else 0


def dead_letter(headers: Sequence[tuple[str, bytes | None]]) -> DeadLetter | None:
    """Return what the headers of a DLQ record tell, None if `error_headers` isn't among them."""
    names = [name for name, _value in headers]
    if TOPIC not in names:
        return None
    first = len(names) - 1 - names[::-1].index(TOPIC)
    added = {name: value or b"" for name, value in headers[first:]}
    try:
        return DeadLetter(
            topic=added[TOPIC].decode(),
            partition=int(added[PARTITION]),
            offset=int(added[OFFSET]),
            reason=added[REASON].decode(),
            headers=headers[:first],
        )
    except (KeyError, ValueError):
        return None


def sent_origin(headers: Sequence[tuple[str, bytes | None]]) -> str | None:
    """Return the origin that a marker marks as sent back, None if the record is no marker."""
    found = dict(headers)
    value = None if TOPIC in found else found.get(SENT)
    return value.decode(errors="replace") if value else None
