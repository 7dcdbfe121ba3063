"""`python -m stockpipe.spark.jobs.spark_batch_processor`: raw daily bars to daily metrics."""

from dataclasses import dataclass
from datetime import date, datetime

from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as sf

from stockpipe.common.calendar import trailing_session
from stockpipe.common.cli import Command, run_program
from stockpipe.common.clock import SystemClock
from stockpipe.common.contracts.tables import DAILY_STOCK_METRICS, TRANSFORM_VERSION
from stockpipe.common.ids import batch_id, random_suffix
from stockpipe.common.lake import layout
from stockpipe.common.lake.open import open_lake
from stockpipe.common.lake.store import ObjectStore
from stockpipe.common.logs import configure_logs
from stockpipe.spark.io.raw import RawInput, read_actions, read_bars, select_raw
from stockpipe.spark.io.writer import Attempt, write_files, written_files
from stockpipe.spark.jobs.batch_run import Batch, Outcome, already_committed, check_days, run_batch
from stockpipe.spark.settings import DailySettings
from stockpipe.spark.transforms.adjusted import adjusted, unadjusted
from stockpipe.spark.transforms.daily import BAR_COLUMNS, daily_metrics, is_due, newest_versions
from stockpipe.spark.transforms.stamp import stamp

JOB = "spark_batch_processor"
TRAILING_SESSIONS = 7


@dataclass(frozen=True)
class DailyJob:
    """Metrics of the sessions `first` to `last`, from all bars up to `run_date`.

    Prices are as of `processed_at`; where a split or dividend restates a symbol in these days, its whole history is
    written anew.
    """

    run_date: date
    first: date
    last: date
    processed_at: datetime
    actions: RawInput

    @classmethod
    def of(cls, settings: DailySettings, now: datetime, actions: RawInput) -> "DailyJob":
        """Return the job that the settings ask for at `now`, with these splits and dividends.

        Raises:
            ConfigError: the range is reversed, or the exchange unknown.
        """
        run_date = settings.run_date or now.date()
        last = settings.last_day or run_date
        first = settings.first_day or trailing_session(settings.exchange, last, TRAILING_SESSIONS)
        check_days(first, last)
        return cls(run_date, first, last, now, actions)

    def compute(self, spark: SparkSession, store: ObjectStore, batch: Batch) -> Outcome:
        """Write the metrics.

        Dropped are bars after the run date, versions of a bar that a newer one supersedes, and bars that only feed
        the averages of others (`outside_range`).
        """
        read, kept, computed, written = (Observation(name) for name in ("read", "kept", "computed", "written"))
        rows = sf.count(sf.lit(1)).alias("rows")
        in_time = sf.col("date") <= sf.lit(self.run_date)

        bars = read_bars(spark, store, batch.raw.keys).select(*BAR_COLUMNS)
        bars = bars.observe(read, rows, sf.count_if(~in_time).alias("after_run_date")).where(in_time)
        metrics = daily_metrics(self._as_of_now(spark, store, newest_versions(bars).observe(kept, rows)))
        due = is_due(self.first, self.last)
        metrics = metrics.observe(computed, sf.count_if(~due).alias("outside_range"))
        stamped = stamp(
            metrics.where(due),
            DAILY_STOCK_METRICS,
            batch_id=batch.batch_id,
            transform_version=TRANSFORM_VERSION,
            processed_at=self.processed_at,
        )
        attempt = Attempt.new(batch.batch_id)
        folder = layout.historical_folder(self.run_date)
        ordered = stamped.observe(written, rows).sortWithinPartitions("symbol", "date")
        write_files(ordered, store, folder, attempt, partition_by=("symbol",))

        rows_read, late = read.get["rows"], read.get["after_run_date"]
        return Outcome(
            rows_read=rows_read,
            rows_dropped={
                "superseded": rows_read - late - kept.get["rows"],
                "after_run_date": late,
                "outside_range": computed.get["outside_range"],
            },
            rows_used=written.get["rows"],
            rows_out=written.get["rows"],
            files=written_files(store, [f"{folder}/"], attempt),
        )

    def _as_of_now(self, spark: SparkSession, store: ObjectStore, bars: DataFrame) -> DataFrame:
        if not self.actions.keys:
            return unadjusted(bars)
        return adjusted(bars, read_actions(spark, store, self.actions.keys), self.processed_at.date())


def run(settings: DailySettings) -> int:
    """Run the command."""
    log = configure_logs(JOB, settings.log_level)
    clock = SystemClock()
    now = clock.now()
    identity = settings.batch_id or batch_id(now, f"daily-{random_suffix()}")
    store = open_lake(settings)
    if already_committed(store, "daily", identity, JOB, log):
        return 0
    job = DailyJob.of(settings, now, select_raw(store, settings.kafka_topic_actions))
    batch = Batch("daily", identity, select_raw(store, settings.kafka_topic_batch), job.actions.ranges)
    return run_batch(JOB, settings, store, batch, job.compute, clock, log)


if __name__ == "__main__":
    run_program(JOB, {"": Command(DailySettings, run)})
