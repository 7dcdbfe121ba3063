"""The Spark jobs against what Spark and DuckDB need at least."""

import math
import os
import random
import shutil
import time
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
from pyspark.sql import SparkSession
from pyspark.sql import functions as sf

from benchmarks.harness import Bench, Result, Run, Side, Stopwatch, Target, paired, times
from benchmarks.quotes import unique
from stockpipe.common import calendar
from stockpipe.common.contracts.daily_bar import DailyBar
from stockpipe.common.contracts.quote import Quote
from stockpipe.common.lake.folder import FolderStore
from stockpipe.common.lake.raw_rows import RAW_COLUMNS
from stockpipe.common.times import to_text
from stockpipe.spark.io.raw import RawInput, read_bars, read_quotes, select_raw
from stockpipe.spark.io.session import open_session
from stockpipe.spark.io.writer import Attempt, write_files
from stockpipe.spark.jobs.batch_run import Batch, Outcome
from stockpipe.spark.jobs.spark_batch_processor import DailyJob
from stockpipe.spark.jobs.spark_stream_batch_processor import WindowsJob
from stockpipe.spark.settings import SparkSettings
from stockpipe.spark.transforms.daily import BAR_COLUMNS
from stockpipe.spark.transforms.deduplicate import deduplicate
from stockpipe.spark.transforms.parts import columns_of
from stockpipe.spark.transforms.windows import HORIZONS, LONGEST_MINUTES, QUOTE_COLUMNS, part_of, to_rows
from stockpipe.standalone import paths
from stockpipe.standalone.jars import class_path
from stockpipe.standalone.java import find_java
from support.raw_lake import BARS, QUOTES, land_bars, land_quotes
from support.records import bar, quote

LAST_DAY = date(2026, 11, 20)
DAY = date(2026, 11, 23)
NOW = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
BATCH = "20261124T060000Z-bench"
OPEN = datetime(2026, 11, 23, 14, 30, tzinfo=UTC)


def session(bench: Bench) -> tuple[SparkSession, float]:
    """Return a session like the jobs' on two cores, and the seconds of its start with a first query."""
    os.environ["JAVA_HOME"] = str(find_java())
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    os.environ["SPARK_LOCAL_DIRS"] = str(bench.folder / "spark")
    settings = SparkSettings(
        lake_url=f"file://{bench.folder}", spark_master="local[2]", spark_extra_class_path=class_path(paths.SPARK_JARS)
    )
    began = time.perf_counter()
    spark = open_session("benchmarks", settings)
    spark.range(1).collect()
    bench.stack.callback(spark.stop)
    return spark, time.perf_counter() - began


def bars_of(symbol: str, days: Sequence[date]) -> list[DailyBar]:
    rng = random.Random(symbol)
    found, close = [], 100.0
    for day in days:
        before, close = close, close * math.exp(rng.gauss(0, 0.01))
        low, high = min(before, close) * 0.99, max(before, close) * 1.01
        prices = {"open": before, "high": high, "low": low, "close": close, "adj_close": close}
        found.append(bar(symbol=symbol, date=day.isoformat(), volume=rng.randrange(10_000_000), **prices))
    return found


def sessions_before(count: int) -> list[date]:
    found = calendar.sessions("XNYS", LAST_DAY - timedelta(days=count * 3 // 2 + 10), LAST_DAY)
    return [each.day for each in found][-count:]


def write_bars(store: FolderStore, symbols: int, sessions: int) -> RawInput:
    """Land bars as the consumer does: an object a symbol and fetch."""
    days = sessions_before(sessions)
    for number in range(symbols):
        land_bars(store, bars_of(f"S{number:04}", days), start=number * sessions)
    return select_raw(store, BARS)


def quotes_of(symbol: str, per_minute: int) -> list[Quote]:
    rng = random.Random(symbol)
    found, price = [], 100.0
    for number in range(390 * per_minute):
        price *= math.exp(rng.gauss(0, 0.0005))
        at = to_text(OPEN + timedelta(seconds=(number + rng.random() * 0.9) * 60 / per_minute))
        found.append(quote(symbol=symbol, event_time=at, fetched_at=at, price=price, volume=rng.randrange(1000)))
    return found


def write_quotes(store: FolderStore, symbols: int, per_minute: int) -> RawInput:
    """Land a session's quotes, six partitions, as the consumer does: an object an hour and flush."""
    for partition in range(6):
        own = [quotes_of(f"S{number:04}", per_minute) for number in range(partition, symbols, 6)]
        mixed = [each for same in zip(*own, strict=True) for each in same]
        land_quotes(store, mixed, partition=partition)
    return select_raw(store, QUOTES)


class Jobs:
    """Jobs on one lake; what they write is counted and removed, outside of the clock."""

    def __init__(self, bench: Bench, spark: SparkSession, name: str) -> None:
        self.folder = bench.folder / name
        self.store = FolderStore(self.folder)
        self.spark = spark

    def run(self, job: DailyJob | WindowsJob, raw: RawInput, dataset: Any, check: Any) -> Run:
        watch = Stopwatch()
        outcome: Outcome = job.compute(self.spark, self.store, Batch(dataset, BATCH, raw))
        run = watch.run(raw.rows)
        check(outcome)
        shutil.rmtree(self.folder / "processed")
        return run

    def shuffle_sort_write(self, raw: RawInput) -> Run:
        """Read the bars' columns, shuffle them by symbol, sort them by date, and write a file a symbol."""
        watch = Stopwatch()
        bars = read_bars(self.spark, self.store, raw.keys).select(*BAR_COLUMNS)
        ordered = bars.repartition("symbol").sortWithinPartitions("symbol", "date")
        write_files(ordered, self.store, "processed/floor", Attempt.new(BATCH), partition_by=("symbol",))
        run = watch.run(raw.rows)
        shutil.rmtree(self.folder / "processed")
        return run


def daily(bench: Bench) -> list[Result]:
    """The daily job over all sessions against Spark's shuffle, sort and write of the same rows."""
    spark, started = session(bench)
    jobs = Jobs(bench, spark, "bars")
    raw = write_bars(jobs.store, *((200, 2500) if not bench.quick else (20, 250)))
    job = DailyJob(LAST_DAY, date(1990, 1, 1), LAST_DAY, NOW, RawInput({}, 0, ()))

    def check(outcome: Outcome) -> None:
        assert (outcome.rows_read, outcome.rows_out) == (raw.rows, raw.rows)
        assert sum(file.rows for file in outcome.files) == raw.rows
        _check_daily(jobs.folder)

    sides = {
        "shuffle, sort, write": lambda: jobs.shuffle_sort_write(raw),
        "daily job": lambda: jobs.run(job, raw, "daily", check),
    }
    runs = paired(sides, bench.rounds, warm_ups=2)
    says = "seconds of the daily job / of Spark's read, shuffle, sort and write of the same rows"
    notes = {"rows": raw.rows, "objects": raw.objects, "session start": f"{started:.1f} s"}
    ratios = times(runs, "daily job", "shuffle, sort, write")
    return [Result("spark-daily", says, ratios, Target(2.5, 2.0, at_most=True), runs, notes)]


def _check_daily(folder: Path) -> None:
    """Compare averages and deviations with DuckDB's own window functions."""
    files = f"{folder}/processed/**/*.parquet"
    sql = f"""
        WITH f AS (FROM read_parquet('{files}', hive_partitioning = true)),
        w AS (SELECT *, avg(daily_close) OVER s AS mean, stddev_samp(daily_return) OVER s AS deviation,
                     row_number() OVER (PARTITION BY symbol ORDER BY date) AS number
              FROM f WINDOW s AS (PARTITION BY symbol ORDER BY date ROWS 29 PRECEDING))
        SELECT count(*), max(abs(sma_30 / mean - 1)), max(abs(volatility_30 / deviation - 1)),
               count(*) FILTER ((number >= 30) != (sma_30 IS NOT NULL))
        FROM w WHERE number > 30 OR sma_30 IS NOT NULL"""
    with duckdb.connect() as connection:
        ((rows, means, deviations, wrong),) = connection.execute(sql).fetchall()
    assert rows > 0
    assert wrong == 0
    assert means < 1e-9
    assert deviations < 1e-6


_WINDOWS = """
COPY (
  WITH quotes AS (
    SELECT * FROM read_csv({files}, header = true, columns = {columns})
    QUALIFY row_number() OVER (PARTITION BY symbol, event_time, source ORDER BY kafka_offset, kafka_partition) = 1
  ),
  panes AS (
    SELECT symbol, date_trunc('minute', event_time) AS minute, count(*) AS n, sum(price) AS total,
      avg(price) AS mean, var_pop(price) * count(*) AS m2, arg_min(price, (event_time, kafka_offset)) AS first_price,
      max(price) AS high, min(price) AS low, arg_max(price, (event_time, kafka_offset)) AS last_price,
      sum(volume) AS volume, sum(price * volume) AS turnover, max(event_time) AS last_event_time,
      min(kafka_offset) AS first_offset, max(kafka_offset) AS last_offset, max(kafka_partition) AS kafka_partition
    FROM quotes GROUP BY ALL
  ),
  timeline AS (
    SELECT symbol, unnest(generate_series(min(minute), max(minute) + INTERVAL 14 MINUTE, INTERVAL 1 MINUTE)) AS minute
    FROM panes GROUP BY symbol
  ),
  filled AS (FROM timeline LEFT JOIN panes USING (symbol, minute)),
  windows AS (
    SELECT symbol, minute + INTERVAL 1 MINUTE AS window_end,
      first_value(first_price IGNORE NULLS) OVER w15 AS open, max(high) OVER w15 AS high, min(low) OVER w15 AS low,
      last_value(last_price IGNORE NULLS) OVER w15 AS close, sum(turnover) OVER w15 / sum(volume) OVER w15 AS vwap_15m,
      sum(total) OVER w5 / sum(n) OVER w5 AS ma_5m, sum(total) OVER w15 / sum(n) OVER w15 AS ma_15m,
      sum(total) OVER w30 / sum(n) OVER w30 AS ma_30m, sum(total) OVER w60 / sum(n) OVER w60 AS ma_1h,
      sqrt((sum(m2 + n * mean * mean) OVER w15 - pow(sum(total) OVER w15, 2) / sum(n) OVER w15)
        / (sum(n) OVER w15 - 1)) AS volatility_15m,
      sqrt((sum(m2 + n * mean * mean) OVER w60 - pow(sum(total) OVER w60, 2) / sum(n) OVER w60)
        / (sum(n) OVER w60 - 1)) AS volatility_1h,
      sum(volume) OVER w15 AS volume_sum_15m, sum(volume) OVER w60 AS volume_sum_1h,
      sum(n) OVER w15 AS record_count_15m, sum(n) OVER w60 AS record_count_1h,
      max(last_event_time) OVER w15 AS last_event_time, min(first_offset) OVER w60 AS first_offset,
      max(last_offset) OVER w60 AS last_offset, max(kafka_partition) OVER w60 AS kafka_partition
    FROM filled
    WINDOW w5 AS (PARTITION BY symbol ORDER BY minute ROWS 4 PRECEDING),
      w15 AS (PARTITION BY symbol ORDER BY minute ROWS 14 PRECEDING),
      w30 AS (PARTITION BY symbol ORDER BY minute ROWS 29 PRECEDING),
      w60 AS (PARTITION BY symbol ORDER BY minute ROWS 59 PRECEDING)
  )
  FROM windows WHERE record_count_15m > 0 ORDER BY symbol, window_end
) TO '{target}' (FORMAT parquet, PARTITION_BY (symbol))
"""
_DUCK = {"string": "VARCHAR", "double": "DOUBLE", "bigint": "BIGINT", "int": "INTEGER", "boolean": "BOOLEAN"}
_FIGURES = (
    "count(*), sum(record_count_15m), sum(volume_sum_1h), sum(ma_5m), sum(ma_1h), sum(vwap_15m), sum(open + close), "
    "sum(volatility_15m), sum(volatility_1h)"
)


def _duckdb_windows(folder: Path, raw: RawInput, found: list[tuple[float, ...]]) -> Run:
    (keys,) = raw.keys.values()
    (names,) = raw.keys
    columns = {name: _DUCK[RAW_COLUMNS["realtime"][name]] for name in names} | {"event_time": "TIMESTAMP"}
    target = folder / "duckdb"
    sql = _WINDOWS.format(files=[str(folder / key) for key in keys], columns=columns, target=target)
    with duckdb.connect(config={"threads": 2}) as connection:
        watch = Stopwatch()
        connection.execute(sql)
        run = watch.run(raw.rows)
        (figures,) = connection.execute(f"SELECT {_FIGURES} FROM read_parquet('{target}/**/*.parquet')").fetchall()
    found[:] = [figures]
    shutil.rmtree(target)
    return run


def windows(bench: Bench) -> list[Result]:
    """The windows job, slide 1 minute, against DuckDB with panes over the same objects."""
    spark, started = session(bench)
    jobs = Jobs(bench, spark, "quotes")
    raw = write_quotes(jobs.store, *((200, 6) if not bench.quick else (20, 4)))
    job = WindowsJob(DAY, DAY, 1, NOW)
    expected: list[tuple[float, ...]] = []

    def check(outcome: Outcome) -> None:
        assert outcome.rows_read == outcome.rows_used == raw.rows
        files = f"{jobs.folder}/processed/**/*.parquet"
        with duckdb.connect() as connection:
            (found,) = connection.execute(f"SELECT {_FIGURES} FROM read_parquet('{files}')").fetchall()
        for mine, other in zip(found, expected[0], strict=True):
            assert math.isclose(mine, other, rel_tol=1e-6), (found, expected)

    duck = partial(_duckdb_windows, jobs.folder, raw, expected)
    duck()
    sides: dict[str, Side] = {"DuckDB": duck, "windows job": lambda: jobs.run(job, raw, "realtime", check)}
    runs = paired(sides, bench.rounds, warm_ups=2)
    notes = {"rows": raw.rows, "objects": raw.objects, "windows": expected[0][0], "session start": f"{started:.1f} s"}
    results = [
        Result(
            "spark-windows",
            "seconds of the windows job / of DuckDB with panes, slide 1 minute, 2 threads",
            times(runs, "windows job", "DuckDB"),
            Target(8.0, 5.0, at_most=True),
            runs,
            notes,
        )
    ]
    return [*results, _against_window_function(bench, spark, job)] if not bench.quick else results


def _against_window_function(bench: Bench, spark: SparkSession, job: WindowsJob) -> Result:
    """Compare on a tenth of the quotes: window() takes minutes for all of them."""
    jobs = Jobs(bench, spark, "few")
    raw = write_quotes(jobs.store, 20, 6)

    def check(outcome: Outcome) -> None:
        assert outcome.rows_read == outcome.rows_used == raw.rows

    sides: dict[str, Side] = {
        "windows job": lambda: jobs.run(job, raw, "realtime", check),
        "window()": lambda: _window_function(jobs, raw),
    }
    runs = paired(sides, 3)
    says = "seconds of the same windows by window() without panes / of the windows job"
    return Result("spark-window()", says, times(runs, "window()", "windows job"), None, runs, {"rows": raw.rows})


def _window_function(jobs: Jobs, raw: RawInput) -> Run:
    """Aggregate by Spark's window() as it is usually written: each quote goes into 60 windows of an hour."""
    watch = Stopwatch()
    target = jobs.folder / unique("windows")
    quotes = deduplicate(read_quotes(jobs.spark, jobs.store, raw.keys).select(*QUOTE_COLUMNS))
    end = sf.col("longest.end")
    parts = [
        column.alias(name)
        for minutes in HORIZONS
        for name, column in columns_of(
            minutes, part_of(sf.col("event_time") >= end - sf.make_dt_interval(mins=sf.lit(minutes)))
        ).items()
    ]
    longest = sf.window("event_time", f"{LONGEST_MINUTES} minutes", "1 minute")
    windows = quotes.withColumn("longest", longest).groupBy("symbol", "longest").agg(*parts)
    to_rows(windows.withColumn("window_end", end)).write.parquet(str(target))
    run = watch.run(raw.rows)
    shutil.rmtree(target)
    return run
