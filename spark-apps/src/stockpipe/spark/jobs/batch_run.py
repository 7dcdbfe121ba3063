"""What both batch jobs share: commit a batch once, check its books, tell the result."""

import signal
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from types import FrameType

from py4j.protocol import Py4JError  # type: ignore[import-untyped]
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from stockpipe.common.clock import Clock
from stockpipe.common.contracts.manifests import DatasetName, OffsetRange, ProcessedFile, ProcessedManifest
from stockpipe.common.contracts.tables import TRANSFORM_VERSION
from stockpipe.common.errors import ConfigError, PipelineError
from stockpipe.common.lake.manifests import commit_processed, find_processed
from stockpipe.common.lake.store import ObjectStore
from stockpipe.common.logs import Logger
from stockpipe.common.times import to_text
from stockpipe.spark.io.raw import RawInput
from stockpipe.spark.io.session import open_session
from stockpipe.spark.jobs.errors import cause
from stockpipe.spark.jobs.summary import batch_summary, print_summary
from stockpipe.spark.settings import SparkSettings


@dataclass(frozen=True)
class Batch:
    """What to compute: the identity of the batch, its dataset, its raw input, and what is read beside that."""

    dataset: DatasetName
    batch_id: str
    raw: RawInput
    also_read: tuple[OffsetRange, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What became of the input: rows dropped by reason, rows that the output is made of, rows written, their files."""

    rows_read: int
    rows_dropped: Mapping[str, int]
    rows_used: int
    rows_out: int
    files: list[ProcessedFile]


class BooksDiffer(PipelineError):
    """Rows were lost or counted twice between the raw objects and the files written; nothing was committed."""


Compute = Callable[[SparkSession, ObjectStore, Batch], Outcome]


def check_days(first: date, last: date) -> None:
    """Refuse a reversed range.

    Raises:
        ConfigError: `first` is after `last`.
    """
    if first > last:
        raise ConfigError(f"FROM (--from) {first} is after TO (--to) {last}")


def already_committed(store: ObjectStore, dataset: DatasetName, batch_id: str, job: str, log: Logger) -> bool:
    """Return whether the batch has its manifest; if so, say so and print its summary.

    Raises:
        ConfigError: the batch id has a wrong form.
    """
    manifest = find_processed(store, dataset, batch_id)
    if manifest is None:
        return False
    log.info("already_committed", job=job, batch_id=batch_id, rows_out=manifest.rows_out)
    print_summary(batch_summary(manifest, seconds=0.0, already_committed=True))
    return True


def run_batch(
    job: str, settings: SparkSettings, store: ObjectStore, batch: Batch, compute: Compute, clock: Clock, log: Logger
) -> int:
    """Compute the batch, commit its manifest, print its summary and return the exit code.

    Raises:
        BooksDiffer: rows are missing or too many.
        KeyboardInterrupt: SIGTERM arrived; what was written isn't committed.
    """
    uninterrupted = _interruptible(compute)
    started = clock.monotonic()
    log.info("batch_started", job=job, batch_id=batch.batch_id, objects=batch.raw.objects, rows_in=batch.raw.rows)
    if batch.raw.keys:
        spark = open_session(job, settings)
        manifest = commit_batch(spark, store, batch, uninterrupted, clock)
        spark.stop()
    else:
        manifest = commit_processed(store, _manifest(batch, Outcome(0, {}, 0, 0, []), clock))
    summary = batch_summary(manifest, seconds=clock.monotonic() - started)
    log.info("batch_committed", job=job, **summary)
    print_summary(summary)
    return 0


def commit_batch(
    spark: SparkSession, store: ObjectStore, batch: Batch, compute: Compute, clock: Clock
) -> ProcessedManifest:
    """Compute the batch, check its books and return the manifest that now stands for it.

    Raises:
        BooksDiffer: rows are missing or too many.
        PipelineError: Spark failed, on a raw object that can't be read for example.
    """
    try:
        outcome = compute(spark, store, batch)
    except (PySparkException, Py4JError) as error:
        raise PipelineError(f"batch {batch.batch_id} failed, nothing was committed: {cause(error)}") from error
    _check_books(batch, outcome)
    return commit_processed(store, _manifest(batch, outcome, clock))


def _check_books(batch: Batch, outcome: Outcome) -> None:
    if outcome.rows_read != batch.raw.rows:
        raise BooksDiffer(
            f"batch {batch.batch_id}: the raw manifests list {batch.raw.rows} rows, their objects gave "
            f"{outcome.rows_read}; nothing was committed"
        )
    dropped = sum(outcome.rows_dropped.values())
    if outcome.rows_read - dropped != outcome.rows_used:
        raise BooksDiffer(
            f"batch {batch.batch_id}: {outcome.rows_read} rows read - {dropped} dropped "
            f"{dict(outcome.rows_dropped)} is not {outcome.rows_used}, the rows used; nothing was committed"
        )
    in_files = sum(entry.rows for entry in outcome.files)
    if in_files != outcome.rows_out:
        raise BooksDiffer(
            f"batch {batch.batch_id}: {outcome.rows_out} rows went to the writer, its files hold {in_files}; nothing "
            "was committed. Did another job write the same dataset at the same time? Run the batch again"
        )


def _manifest(batch: Batch, outcome: Outcome, clock: Clock) -> ProcessedManifest:
    return ProcessedManifest(
        dataset=batch.dataset,
        batch_id=batch.batch_id,
        inputs=list(batch.raw.ranges),
        also_read=list(batch.also_read),
        rows_in=batch.raw.rows,
        rows_dropped=dict(outcome.rows_dropped),
        rows_out=outcome.rows_out,
        files=outcome.files,
        transform_version=TRANSFORM_VERSION,
        produced_at=to_text(clock.now()),
    )


def _interruptible(compute: Compute) -> Compute:
    """Let SIGTERM raise KeyboardInterrupt, after `compute` too where a finalizer or a library swallowed it.

    Without a handler the first process of a container ignores SIGTERM.
    """
    interrupted = threading.Event()

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        interrupted.set()
        raise KeyboardInterrupt

    def uninterrupted(spark: SparkSession, store: ObjectStore, batch: Batch) -> Outcome:
        outcome = compute(spark, store, batch)
        if interrupted.is_set():
            raise KeyboardInterrupt
        return outcome

    signal.signal(signal.SIGTERM, interrupt)
    return uninterrupted
