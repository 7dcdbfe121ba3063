"""Manifests: the commit records of the lake. Readers read only what a manifest lists."""

from typing import Literal

import msgspec

from stockpipe.common.errors import PipelineError

DatasetName = Literal["daily", "realtime", "realtime_live"]


class RawObject(msgspec.Struct, frozen=True, kw_only=True):
    """One object of raw rows. `bytes` is its size."""

    key: str
    rows: int
    bytes: int
    sha256: str


class RawManifest(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the offsets `start <= offset < end` of one topic partition.

    `records + rejected + skipped = end - start`; skipped offsets are those the broker never delivers
    (transaction markers, compacted records). Times are None where no record was accepted.
    `fetches` maps the id of each request to a source to what was asked.
    `columns` are those of the objects, in order; None in manifests that are older than this field.
    """

    topic: str
    partition: int
    start: int
    end: int
    records: int
    rejected: int
    skipped: int
    objects: list[RawObject]
    min_event_time: str | None
    max_event_time: str | None
    symbols: list[str]
    schema_versions: list[str]
    fetches: dict[str, str]
    columns: list[str] | None = None
    writer: str
    written_at: str


class OffsetRange(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """Offsets `start <= offset < end` of a topic partition."""

    topic: str
    partition: int
    start: int
    end: int


class ProcessedFile(msgspec.Struct, frozen=True, kw_only=True):
    """One Parquet file of a processed batch. `bytes` is its size."""

    key: str
    rows: int
    bytes: int


class ProcessedManifest(msgspec.Struct, frozen=True, kw_only=True):
    """What one Spark batch read and wrote.

    `inputs` are the offsets it read; `also_read` are others, whose rows make no output row of their own: splits and
    dividends. `rows_dropped` counts input rows that no output row uses, by reason; None for
    the stream, which learns these counts only after the batch and exports them as metrics.
    """

    dataset: DatasetName
    batch_id: str
    inputs: list[OffsetRange]
    rows_in: int
    rows_dropped: dict[str, int] | None
    rows_out: int
    files: list[ProcessedFile]
    transform_version: int
    produced_at: str
    also_read: list[OffsetRange] = []


class ManifestDamaged(PipelineError):
    """A manifest can't be read or contradicts itself."""


def encode(manifest: msgspec.Struct) -> bytes:
    """Return the manifest as indented JSON; people read manifests too."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2)


def decode_raw(key: str, data: bytes) -> RawManifest:
    """Read the raw manifest stored at `key`.

    Raises:
        ManifestDamaged: not a raw manifest.
    """
    try:
        return msgspec.json.decode(data, type=RawManifest)
    except msgspec.DecodeError as error:
        raise ManifestDamaged(f"raw manifest {key} can't be read: {error}") from error


def decode_processed(key: str, data: bytes) -> ProcessedManifest:
    """Read the processed manifest stored at `key`.

    Raises:
        ManifestDamaged: not a processed manifest.
    """
    try:
        return msgspec.json.decode(data, type=ProcessedManifest)
    except msgspec.DecodeError as error:
        raise ManifestDamaged(f"processed manifest {key} can't be read: {error}") from error
