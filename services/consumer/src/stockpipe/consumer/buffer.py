"""What was read of one partition since its last manifest."""

from dataclasses import dataclass, field

import pyarrow as pa
from confluent_kafka import Message

from stockpipe.common.contracts.decode import Record, Rejected
from stockpipe.common.contracts.topics import TopicKind
from stockpipe.common.lake.raw_rows import raw_table

ROWS = 1_000
"""So many records become columns at once: they are still in the processor's cache then, and take a third as columns."""


@dataclass(slots=True)
class PartitionBuffer:
    """Offsets `start <= offset < next` of a partition: accepted, rejected, and never delivered ones.

    `opened_at` is the monotonic time of the first offset, None while the buffer is empty; `bytes` counts values.
    `records` and `offsets` are those that aren't rows of `tables` yet.
    """

    kind: TopicKind
    partition: int
    start: int
    next: int = field(init=False)
    opened_at: float | None = None
    records: list[Record] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    tables: list[pa.Table] = field(default_factory=list)
    rows: int = 0
    rejected: list[tuple[Message, Rejected]] = field(default_factory=list)
    fetches: dict[str, str] = field(default_factory=dict)
    schemas: set[str] = field(default_factory=set)
    bytes: int = 0

    def __post_init__(self) -> None:
        self.next = self.start

    @property
    def accepted(self) -> int:
        """Return how many records were accepted."""
        return self.rows + len(self.records)

    @property
    def taken(self) -> int:
        """Return how many records the buffer holds, accepted and rejected ones."""
        return self.accepted + len(self.rejected)

    @property
    def skipped(self) -> int:
        """Return how many offsets of the range the broker never delivered."""
        return self.next - self.start - self.taken

    def table(self) -> pa.Table:
        """Return the accepted records as raw rows, in offset order."""
        if self.records or not self.tables:
            self._settle()
        return pa.concat_tables(self.tables)

    def settle(self) -> None:
        """Turn records into rows if there are enough of them."""
        if len(self.records) >= ROWS:
            self._settle()

    def _settle(self) -> None:
        self.tables.append(raw_table(self.kind, self.records, self.partition, self.offsets))
        self.rows += len(self.records)
        self.records, self.offsets = [], []

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
