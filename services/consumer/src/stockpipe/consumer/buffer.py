"""What was read of one partition since its last manifest."""

from dataclasses import dataclass, field

from confluent_kafka import Message

from stockpipe.common.contracts.decode import Record, Rejected


@dataclass(slots=True)
class PartitionBuffer:
    """Offsets `start <= offset < next` of a partition: accepted, rejected, and never delivered ones.

    `opened_at` is the monotonic time of the first offset, None while the buffer is empty; `bytes` counts values.
    """

    partition: int
    start: int
    next: int = field(init=False)
    opened_at: float | None = None
    records: list[Record] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    rejected: list[tuple[Message, Rejected]] = field(default_factory=list)
    fetches: dict[str, str] = field(default_factory=dict)
    schemas: set[str] = field(default_factory=set)
    bytes: int = 0

    def __post_init__(self) -> None:
        self.next = self.start

    @property
    def skipped(self) -> int:
        """Return how many offsets of the range the broker never delivered."""
        return self.next - self.start - len(self.records) - len(self.rejected)

    @property
    def taken(self) -> int:
        """Return how many records the buffer holds, accepted and rejected ones."""
        return len(self.offsets) + len(self.rejected)

    def advance(self, offset: int, now: float) -> None:
        """Count every offset before `offset` as read."""
        if offset > self.next:
            self.next = offset
            if self.opened_at is None:
                self.opened_at = now

    def is_due(self, now: float, records: int, size: int, seconds: float) -> bool:
        """Return whether a flush rule applies."""
        return self.opened_at is not None and (
            self.taken >= records or self.bytes >= size or now - self.opened_at >= seconds
        )
