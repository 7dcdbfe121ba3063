"""The commit protocol of one flush: objects, then DLQ, then the manifest."""

import pyarrow as pa
import pyarrow.compute as pc

from stockpipe.common.clock import Clock
from stockpipe.common.contracts.manifests import RawManifest
from stockpipe.common.contracts.topics import TopicKind
from stockpipe.common.lake.manifests import commit_raw
from stockpipe.common.lake.raw_rows import RAW_COLUMNS, RawFormat
from stockpipe.common.lake.store import ObjectStore
from stockpipe.common.times import to_text
from stockpipe.consumer.buffer import PartitionBuffer
from stockpipe.consumer.dlq import DeadLetters
from stockpipe.consumer.objects import put_objects


class Flusher:
    """Makes a buffer durable. After a failure at any step the same call may be made again."""

    def __init__(
        self,
        store: ObjectStore,
        dead_letters: DeadLetters,
        clock: Clock,
        topic: str,
        kind: TopicKind,
        raw_format: RawFormat,
        writer: str,
    ) -> None:
        self._store = store
        self._dead_letters = dead_letters
        self._clock = clock
        self._topic = topic
        self._kind = kind
        self._raw_format = raw_format
        self._writer = writer

    def flush(self, buffer: PartitionBuffer) -> tuple[RawManifest, bool]:
        """Return the commit record of the buffer's start offset, and whether this call wrote it.

        If another writer's record was there first, its end may differ from the buffer's: go on from there.

        Raises:
            Unavailable: store or DLQ can't be reached; nothing is committed.
        """
        rows = buffer.table()
        objects = put_objects(self._store, self._kind, buffer.partition, rows, self._raw_format)
        self._dead_letters.send(buffer.rejected)
        first, last = _times(self._kind, rows)
        ours = RawManifest(
            topic=self._topic,
            partition=buffer.partition,
            start=buffer.start,
            end=buffer.next,
            records=rows.num_rows,
            rejected=len(buffer.rejected),
            skipped=buffer.skipped,
            objects=objects,
            min_event_time=first,
            max_event_time=last,
            symbols=sorted(rows["symbol"].unique().to_pylist()),
            schema_versions=sorted(buffer.schemas),
            fetches=buffer.fetches,
            columns=list(RAW_COLUMNS[self._kind]),
            writer=self._writer,
            written_at=to_text(self._clock.now()),
        )
        committed = commit_raw(self._store, ours)
        return committed, committed is ours


_DATES: dict[TopicKind, str] = {"batch": "date", "actions": "ex_date"}


def _times(kind: TopicKind, rows: pa.Table) -> tuple[str | None, str | None]:
    """Return the first and last event time; a date counts as its midnight, good enough to select manifests by time."""
    ends = pc.min_max(rows[_DATES.get(kind, "event_time")]).as_py()
    first, last = ends["min"], ends["max"]
    if kind == "realtime" or first is None:
        return first, last
    return f"{first}T00:00:00.000Z", f"{last}T00:00:00.000Z"
