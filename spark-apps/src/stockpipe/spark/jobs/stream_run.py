"""One run of the stream: micro-batches until it is told to stop, or until Kafka holds no more.

A stop must not cut a micro-batch in two. So the signal only sets an event: the next micro-batch gives up before its
first side effect, and the query is stopped while none runs. See the end of `Stream.run`.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pyspark.errors import StreamingQueryException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as sf
from pyspark.sql.streaming.listener import StreamingQueryProgress
from pyspark.sql.streaming.query import StreamingQuery

from stockpipe.common.contracts.manifests import ProcessedManifest
from stockpipe.common.contracts.tables import REALTIME_STOCK_ANALYTICS, TRANSFORM_VERSION
from stockpipe.common.lake.store import ObjectStore
from stockpipe.common.logs import Logger
from stockpipe.common.metrics import SparkMetrics
from stockpipe.common.times import from_text
from stockpipe.spark.io.checkpoint import read_micro_batch
from stockpipe.spark.io.kafka import accepted, decoded, read_stream
from stockpipe.spark.io.live import commit_live
from stockpipe.spark.jobs.errors import stream_failure
from stockpipe.spark.settings import StreamSettings
from stockpipe.spark.transforms.stamp import stamp
from stockpipe.spark.transforms.stream_windows import stream_windows

_POLL_SECONDS = 0.5
_DECODED = "decoded"


class StopRequested(Exception):
    """The process was told to stop; the micro-batch has done nothing and runs again at the next start."""


@dataclass
class StreamTotals:
    """What this run did."""

    batch_id: str | None = None
    rows_in: int = 0
    refused: int = 0
    duplicate: int = 0
    watermark: int = 0
    rows_out: int = 0
    files: int = 0

    def summary(self) -> dict[str, Any]:
        """Return the run's summary; `batch_id` is the last one committed."""
        return {
            "batch_id": self.batch_id,
            "rows_in": self.rows_in,
            "rows_dropped": {"refused": self.refused, "duplicate": self.duplicate, "watermark": self.watermark},
            "rows_out": self.rows_out,
            "files": self.files,
        }


class Stream:
    """The query from Kafka to `processed/realtime_live`."""

    def __init__(
        self,
        job: str,
        settings: StreamSettings,
        store: ObjectStore,
        metrics: SparkMetrics,
        log: Logger,
        stop: threading.Event,
        on_progress: Callable[[], None],
    ) -> None:
        self._job = job
        self._settings = settings
        self._store = store
        self._metrics = metrics
        self._log = log
        self._stop = stop
        self._on_progress = on_progress
        self._totals = StreamTotals()
        self._committed: dict[int, ProcessedManifest] = {}
        self._failure: Exception | None = None
        self._last_reported = -1
        self._last_progress = ""

    def run(self, spark: SparkSession) -> dict[str, Any]:
        """Run until told to stop, with `available_now` until Kafka holds no more; return the summary.

        Raises:
            Unavailable: Kafka or the lake stopped answering.
            DataRefused: retention deleted records before they were read.
            PipelineError: the query failed otherwise.
        """
        query = self._start(spark)
        try:
            while not query.awaitTermination(_POLL_SECONDS):  # type: ignore[arg-type] # a fraction is fine
                self._report(query)
                if self._stop.is_set() and not query.status["isTriggerActive"]:
                    query.stop()
        except StreamingQueryException as error:
            if not isinstance(self._failure, StopRequested):
                raise stream_failure(self._failure or error, self._settings) from error
        self._report(query)
        return self._totals.summary()

    def _start(self, spark: SparkSession) -> StreamingQuery:
        settings = self._settings
        records = read_stream(spark, settings, settings.kafka_topic_realtime, settings.max_offsets_per_trigger)
        verdicts = decoded(records).observe(
            _DECODED, sf.count(sf.lit(1)).alias("rows"), sf.count("reason").alias("refused")
        )
        windows = stream_windows(accepted(verdicts), settings.slide_minutes, settings.watermark_minutes)
        writer = (
            windows.writeStream.queryName("realtime_live")
            .outputMode("update")
            .option("checkpointLocation", self._store.spark_url(settings.checkpoint))
            .foreachBatch(self._commit)
        )
        if settings.available_now:
            return writer.trigger(availableNow=True).start()
        return writer.trigger(processingTime=f"{settings.trigger_seconds} seconds").start()

    def _commit(self, windows: DataFrame, number: int) -> None:
        try:
            manifest = self._write(windows, number)
        except Exception as error:
            # Java sees only the text; the main loop needs the exception.
            self._failure = error
            raise
        if manifest:
            self._committed[number] = manifest

    def _write(self, windows: DataFrame, number: int) -> ProcessedManifest | None:
        if self._stop.is_set():
            raise StopRequested
        query_id = windows.sparkSession.sparkContext.getLocalProperty("sql.streaming.queryId") or ""
        micro_batch = read_micro_batch(self._store, self._settings.checkpoint, number)
        batch_id = micro_batch.batch_id(query_id)
        stamped = stamp(
            windows,
            REALTIME_STOCK_ANALYTICS,
            batch_id=batch_id,
            transform_version=TRANSFORM_VERSION,
            processed_at=micro_batch.started_at,
        )
        # Computed even where nothing will be written: this is what updates Spark's state.
        return commit_live(self._store, micro_batch, batch_id, stamped.toArrow())

    def _report(self, query: StreamingQuery) -> None:
        for progress in query.recentProgress:
            if progress.timestamp > self._last_progress:
                self._last_progress = progress.timestamp
                self._on_progress()
                self._metrics.last_progress.labels(self._job).set(from_text(progress.timestamp).timestamp())
            # An idle trigger reports the number of the micro-batch to come, but added no batch.
            if "addBatch" in progress.durationMs and progress.batchId > self._last_reported:
                self._last_reported = progress.batchId
                self._report_batch(progress)

    def _report_batch(self, progress: StreamingQueryProgress) -> None:
        observed = progress.observedMetrics.get(_DECODED)
        rows_in, refused = (observed["rows"], observed["refused"]) if observed else (0, 0)
        late = sum(state.numRowsDroppedByWatermark for state in progress.stateOperators)
        duplicate = sum(state.customMetrics.get("numDroppedDuplicateRows", 0) for state in progress.stateOperators)
        seconds = progress.batchDuration / 1000
        self._metrics.rows_in.labels(self._job).inc(rows_in)
        self._metrics.rows_refused.labels(self._job).inc(refused)
        self._metrics.rows_dropped_by_watermark.labels(self._job).inc(late)
        self._metrics.rows_duplicate.labels(self._job).inc(duplicate)
        self._metrics.batch_seconds.labels(self._job).observe(seconds)
        manifest = self._committed.pop(progress.batchId, None)
        batch_id = manifest.batch_id if manifest else None
        rows_out, files = (manifest.rows_out, len(manifest.files)) if manifest else (0, 0)
        self._metrics.rows_out.labels(self._job).inc(rows_out)
        totals = self._totals
        totals.batch_id = batch_id or totals.batch_id
        totals.rows_in += rows_in
        totals.refused += refused
        totals.duplicate += duplicate
        totals.watermark += late
        totals.rows_out += rows_out
        totals.files += files
        self._log.info(
            "micro_batch",
            number=progress.batchId,
            batch_id=batch_id,
            rows_in=rows_in,
            rows_refused=refused,
            rows_duplicate=duplicate,
            rows_dropped_by_watermark=late,
            rows_out=rows_out,
            files=files,
            watermark=progress.eventTime.get("watermark"),
            seconds=seconds,
        )
