"""`python -m stockpipe.spark.jobs.spark_stream_batch_processor`: raw quotes of whole days to realtime windows."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from pyspark.sql import Column, DataFrame, Observation, SparkSession
from pyspark.sql import functions as sf

from stockpipe.common.cli import Command, run_program
from stockpipe.common.clock import SystemClock
from stockpipe.common.contracts.tables import REALTIME_STOCK_ANALYTICS, TRANSFORM_VERSION
from stockpipe.common.ids import batch_id, random_suffix
from stockpipe.common.lake import layout
from stockpipe.common.lake.open import open_lake
from stockpipe.common.lake.store import ObjectStore
from stockpipe.common.logs import configure_logs
from stockpipe.spark.io.raw import read_quotes, select_raw
from stockpipe.spark.io.writer import Attempt, write_files, written_files
from stockpipe.spark.jobs.batch_run import Batch, Outcome, already_committed, check_days, run_batch
from stockpipe.spark.settings import StreamBatchSettings
from stockpipe.spark.transforms.batch_windows import batch_windows
from stockpipe.spark.transforms.deduplicate import first_copies, number_copies
from stockpipe.spark.transforms.stamp import stamp
from stockpipe.spark.transforms.windows import CONTEXT_MINUTES, QUOTE_COLUMNS, WINDOW_MINUTES, SlideMinutes

JOB = "spark_stream_batch_processor"
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class WindowsJob:
    """Windows that start on the UTC days `first` to `last`."""

    first: date
    last: date
    slide_minutes: SlideMinutes
    processed_at: datetime

    @classmethod
    def of(cls, settings: StreamBatchSettings, now: datetime) -> "WindowsJob":
        """Return the job that the settings ask for at `now`.

        Raises:
            ConfigError: the range is reversed.
        """
        last = settings.last_day or now.date()
        first = settings.first_day or last
        check_days(first, last)
        return cls(first, last, settings.slide_minutes, now)

    @property
    def since(self) -> datetime:
        """Return the first possible window start, and the first event time of a quote that counts as used."""
        return datetime.combine(self.first, time(), UTC)

    @property
    def until(self) -> datetime:
        """Return the end of `since`'s range, excluded."""
        return datetime.combine(self.last, time(), UTC) + _DAY

    @property
    def read_since(self) -> datetime:
        """Return when the quotes begin that the first windows look back at."""
        return self.since - timedelta(minutes=CONTEXT_MINUTES)

    @property
    def read_until(self) -> datetime:
        """Return when the last window ends: windows on a fine grid that start before midnight end after it."""
        return self.until + timedelta(minutes=WINDOW_MINUTES - self.slide_minutes)

    def compute(self, spark: SparkSession, store: ObjectStore, batch: Batch) -> Outcome:
        """Write the windows.

        Every quote of the days that isn't a copy of another lies in exactly one window of those aligned at 15
        minutes: so read - dropped must be the sum of `record_count_15m` over these. Dropped are quotes outside of
        what windows need, quotes that windows of these days only look back or run over at (`context`), and copies.
        """
        read, numbered, written = (Observation(name) for name in ("read", "numbered", "written"))
        event_time, window_start = sf.col("event_time"), sf.col("window_start")
        needed = _within(event_time, self.read_since, self.read_until)
        wanted = _within(event_time, self.since, self.until)
        aligned = sf.unix_seconds("window_end") % (WINDOW_MINUTES * 60) == 0

        quotes = read_quotes(spark, store, batch.raw.keys).select(*QUOTE_COLUMNS)
        quotes = quotes.observe(
            read,
            sf.count(sf.lit(1)).alias("rows"),
            sf.count_if(~needed).alias("outside_range"),
            sf.count_if(needed & ~wanted).alias("context"),
        )
        copies = number_copies(quotes.where(needed)).observe(
            numbered, sf.count_if(wanted & (sf.col("copy") > 1)).alias("duplicate")
        )
        windows = batch_windows(first_copies(copies), self.slide_minutes)
        windows = windows.where(_within(window_start, self.since, self.until)).observe(
            written,
            sf.count(sf.lit(1)).alias("rows"),
            sf.coalesce(sf.sum(sf.when(aligned, sf.col("record_count_15m"))), sf.lit(0)).alias("quotes"),
        )
        attempt = Attempt.new(batch.batch_id)
        self._write(windows, store, attempt)

        rows_dropped = {
            "outside_range": read.get["outside_range"],
            "context": read.get["context"],
            "duplicate": numbered.get["duplicate"],
        }
        return Outcome(
            rows_read=read.get["rows"],
            rows_dropped=rows_dropped,
            rows_used=written.get["quotes"],
            rows_out=written.get["rows"],
            files=written_files(store, map(_day_prefix, self._days()), attempt),
        )

    def _write(self, windows: DataFrame, store: ObjectStore, attempt: Attempt) -> None:
        stamped = stamp(
            windows,
            REALTIME_STOCK_ANALYTICS,
            batch_id=attempt.batch_id,
            transform_version=TRANSFORM_VERSION,
            processed_at=self.processed_at,
        )
        day_parts = {"year": "yyyy", "month": "MM", "day": "dd"}
        dated = stamped.withColumns({name: sf.date_format("window_start", form) for name, form in day_parts.items()})
        folders = (*day_parts, "symbol")
        ordered = dated.sortWithinPartitions(*folders, "window_start")
        write_files(ordered, store, layout.REALTIME_FOLDER, attempt, partition_by=folders)

    def _days(self) -> list[date]:
        return [self.first + _DAY * count for count in range((self.last - self.first).days + 1)]


def _within(instant: Column, since: datetime, until: datetime) -> Column:
    return (instant >= sf.lit(since)) & (instant < sf.lit(until))


def _day_prefix(day: date) -> str:
    return f"{layout.REALTIME_FOLDER}/year={day:%Y}/month={day:%m}/day={day:%d}/"


def run(settings: StreamBatchSettings) -> int:
    """Run the command."""
    log = configure_logs(JOB, settings.log_level)
    clock = SystemClock()
    now = clock.now()
    identity = settings.batch_id or batch_id(now, f"windows-{random_suffix()}")
    store = open_lake(settings)
    if already_committed(store, "realtime", identity, JOB, log):
        return 0
    job = WindowsJob.of(settings, now)
    raw = select_raw(store, settings.kafka_topic_realtime, since=job.read_since, until=job.read_until)
    return run_batch(JOB, settings, store, Batch("realtime", identity, raw), job.compute, clock, log)


if __name__ == "__main__":
    run_program(JOB, {"": Command(StreamBatchSettings, run)})
