"""The stream's checkpoint: which Kafka offsets a micro-batch stands for, and when it began.

Spark writes `offsets/<n>` before it runs micro-batch n and reads it again after a crash, so what is made from it is
the same in every try. Its lines are `v1`, a JSON object with `batchTimestampMs`, and for each source (we have one)
the offsets at which the batch ends. A batch starts where the one before it ended; the first one starts at what the
Kafka source wrote to `sources/0/0` when the query first ran: with `startingOffsets=earliest` the low watermarks of
that moment. A partition that is added later starts at 0.
"""

import json
from dataclasses import dataclass
from datetime import datetime

from stockpipe.common.contracts.manifests import OffsetRange
from stockpipe.common.errors import PipelineError
from stockpipe.common.ids import batch_id
from stockpipe.common.lake.store import ObjectStore
from stockpipe.common.times import from_millis

Offsets = dict[tuple[str, int], int]


class CheckpointDamaged(PipelineError):
    """A file of the checkpoint can't be read."""


@dataclass(frozen=True)
class MicroBatch:
    """Micro-batch `number`, first tried at `started_at` (UTC), with the offsets it adds."""

    number: int
    started_at: datetime
    ranges: tuple[OffsetRange, ...]

    @property
    def offsets(self) -> int:
        """Return how many offsets the batch adds."""
        return sum(entry.end - entry.start for entry in self.ranges)

    def batch_id(self, query_id: str) -> str:
        """Return the batch's identity, the same in every try; `query_id` is the checkpoint's."""
        return batch_id(self.started_at, f"stream-{query_id.replace('-', '')[:12]}-{self.number:010d}")


def read_micro_batch(store: ObjectStore, checkpoint: str, number: int) -> MicroBatch:
    """Return what the checkpoint folder says of micro-batch `number`.

    Raises:
        CheckpointDamaged: a file of the checkpoint has another form.
        ObjectMissing: the checkpoint has no such batch.
    """
    key = f"{checkpoint}/offsets/{number}"
    lines = _lines(store, key)
    before = f"{checkpoint}/offsets/{number - 1}" if number else f"{checkpoint}/sources/0/0"
    start = _offsets(before, _lines(store, before)[-1])
    end = _offsets(key, lines[-1])
    try:
        started_at = from_millis(int(json.loads(lines[1])["batchTimestampMs"]))
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise CheckpointDamaged(f"checkpoint file {key} has no batchTimestampMs in its second line") from error
    ranges = (
        OffsetRange(topic=topic, partition=partition, start=start.get((topic, partition), 0), end=last)
        for (topic, partition), last in sorted(end.items())
    )
    return MicroBatch(number, started_at, tuple(entry for entry in ranges if entry.end > entry.start))


def _lines(store: ObjectStore, key: str) -> list[str]:
    # Spark begins the file of first offsets with a zero byte, for the sake of its version 2.1.
    lines = store.get(key).lstrip(b"\0").decode().splitlines()
    if not lines or lines[0] != "v1":
        raise CheckpointDamaged(f"checkpoint file {key} is of version {lines[:1]}, this job reads v1")
    return lines


def _offsets(key: str, line: str) -> Offsets:
    try:
        return {
            (topic, int(partition)): int(offset)
            for topic, partitions in json.loads(line).items()
            for partition, offset in partitions.items()
        }
    except (ValueError, AttributeError, TypeError) as error:
        raise CheckpointDamaged(f"checkpoint file {key} doesn't end with the offsets of a Kafka source") from error
