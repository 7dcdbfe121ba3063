"""Batches into the lake: Spark writes the files, a manifest makes them count.

Files are only added. Their names carry the batch and a random attempt, so that what a crashed attempt of the same
batch left behind is never taken for ours.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet
from pyspark.sql import DataFrame

from stockpipe.common.contracts.manifests import ProcessedFile
from stockpipe.common.ids import random_suffix
from stockpipe.common.lake.store import ObjectStore


@dataclass(frozen=True)
class Attempt:
    """One try to write a batch."""

    batch_id: str
    suffix: str

    @classmethod
    def new(cls, batch_id: str) -> "Attempt":
        """Return an attempt that no other has the name of."""
        return cls(batch_id, random_suffix())

    @property
    def base_name(self) -> str:
        """Return what the names of all its files begin with."""
        return f"part-{self.batch_id}-{self.suffix}"

    def wrote(self, key: str) -> bool:
        """Return whether `key` is a finished file of this attempt.

        What a committer has not finished lies in folders such as `_temporary` and `__magic_job-…`.
        """
        folders, _, name = key.rpartition("/")
        finished = not any(folder.startswith("_") for folder in folders.split("/"))
        return finished and re.match(rf"{re.escape(self.base_name)}-\d{{5}}-", name) is not None


def write_files(
    rows: DataFrame, store: ObjectStore, folder: str, attempt: Attempt, *, partition_by: Sequence[str]
) -> None:
    """Write `rows` as Parquet files below `folder`, one for each value of `partition_by` and Spark partition."""
    writer = (
        rows.write.mode("append")
        .partitionBy(*partition_by)
        .option("mapreduce.output.basename", attempt.base_name)
        .option("mapreduce.fileoutputcommitter.marksuccessfuljobs", "false")
    )
    writer.parquet(store.spark_url(folder))


def written_files(store: ObjectStore, prefixes: Iterable[str], attempt: Attempt) -> list[ProcessedFile]:
    """Return the files of `attempt` below `prefixes`, their rows as their footers tell."""
    return [
        ProcessedFile(key=info.key, rows=_rows(store.get(info.key)), bytes=info.size)
        for prefix in prefixes
        for info in store.list(prefix)
        if attempt.wrote(info.key)
    ]


def _rows(data: bytes) -> int:
    rows: int = pa.parquet.read_metadata(pa.BufferReader(data)).num_rows
    return rows
