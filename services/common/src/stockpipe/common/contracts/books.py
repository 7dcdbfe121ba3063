"""The books: what `stockpipe-auditor` counts of every hop, and the report that its watch leaves in the lake."""

from dataclasses import dataclass, field
from typing import Literal

import msgspec

from stockpipe.common.contracts.manifests import DatasetName, ManifestDamaged

Hop = Literal["kafka-raw", "raw-processed", "processed-warehouse"]


@dataclass(frozen=True)
class Finding:
    """One thing that doesn't balance: `count` records or rows at `subject`."""

    hop: Hop
    subject: str
    detail: str
    count: int


@dataclass
class PartitionBooks:
    """One partition's account. `offsets` were read; `waiting` are in Kafka and not yet read.

    `retired` offsets had manifests once, which retention removed. No manifest covers the `gap` offsets, more than one
    the `overlap` offsets.
    """

    topic: str
    partition: int
    offsets: int = 0
    raw_rows: int = 0
    rejected: int = 0
    skipped: int = 0
    retired: int = 0
    gap: int = 0
    overlap: int = 0
    waiting: int = 0
    unaccounted: int = 0


@dataclass
class DatasetBooks:
    """One dataset's account. `waiting` are raw records that no batch of the dataset read yet.

    `retired` batches were loaded once; retention removed them from the lake.
    """

    dataset: DatasetName
    batches: int = 0
    rows_in: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    rows_out: int = 0
    warehouse_rows: int = 0
    retired: int = 0
    not_loaded: int = 0
    waiting: int = 0
    unaccounted: int = 0


class BooksReport(msgspec.Struct, frozen=True, kw_only=True):
    """One audit of `stockpipe-auditor watch`: the days from `first_day` on, as they were at `audited_at`.

    `findings` are those that were there in two audits in a row. `dead_letters` are the distinct records in each DLQ, by
    topic and reason.
    """

    audited_at: str
    first_day: str
    partitions: list[PartitionBooks]
    datasets: list[DatasetBooks]
    findings: list[Finding]
    dead_letters: dict[str, dict[str, int]]


def decode_report(key: str, data: bytes) -> BooksReport:
    """Read the report stored at `key`.

    Raises:
        ManifestDamaged: not a report.
    """
    try:
        return msgspec.json.decode(data, type=BooksReport)
    except msgspec.DecodeError as error:
        raise ManifestDamaged(f"report {key} can't be read: {error}") from error
