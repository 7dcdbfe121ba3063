"""What `stockpipe-auditor maintain` leaves in the lake: marks of what retention removed, and compaction records."""

from typing import TypeVar

import msgspec

from stockpipe.common.contracts.manifests import DatasetName, ManifestDamaged, OffsetRange, ProcessedFile


class RawRetention(msgspec.Struct, frozen=True, kw_only=True):
    """All that retention has removed of one topic partition: the manifests of the offsets `start <= offset < end`.

    The totals are theirs, `max_event_time` is their newest record's. `objects` are the keys that the round of this
    mark set free; they stay for a while, for readers that began before it.
    """

    topic: str
    partition: int
    start: int
    end: int
    records: int
    rejected: int
    skipped: int
    max_event_time: str | None
    objects: list[str]
    retained_at: str


class BatchRetention(msgspec.Struct, frozen=True, kw_only=True):
    """All that retention has removed of one dataset: `batches` batches with `rows` rows, all loaded before.

    `until` is the newest day that any of their ids begins with, `inputs` the offsets that they had read. `removed` are
    the batches of this mark's round and `objects` the keys that it set free; they stay for a while, for readers that
    began before it.
    """

    dataset: DatasetName
    until: str
    batches: int
    rows: int
    inputs: list[OffsetRange]
    removed: list[str]
    objects: list[str]
    retained_at: str


class CompactedBatch(msgspec.Struct, frozen=True, kw_only=True):
    """Where a batch's rows lie now: `rows` rows from row `first` on of the compaction's file number `file`."""

    batch_id: str
    file: int
    first: int
    rows: int


class Compaction(msgspec.Struct, frozen=True, kw_only=True):
    """Files that took the place of those of many batches. The batches' manifests stay as they are."""

    dataset: DatasetName
    batches: list[CompactedBatch]
    files: list[ProcessedFile]
    compacted_at: str


R = TypeVar("R", RawRetention, BatchRetention, Compaction)


def decode_record(key: str, data: bytes, type_: type[R]) -> R:
    """Read the record stored at `key`.

    Raises:
        ManifestDamaged: not such a record.
    """
    try:
        return msgspec.json.decode(data, type=type_)
    except msgspec.DecodeError as error:
        raise ManifestDamaged(f"record {key} can't be read: {error}") from error
