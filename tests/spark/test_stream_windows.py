"""Stream and batch compute the same windows; what the stream drops, the batch repairs and supersedes."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from pyspark.sql import DataFrame, SparkSession

from stockpipe.common.contracts.tables import REALTIME_STOCK_ANALYTICS
from stockpipe.spark.transforms.batch_windows import batch_windows
from stockpipe.spark.transforms.deduplicate import deduplicate
from stockpipe.spark.transforms.stream_windows import stream_windows
from stockpipe.spark.transforms.windows import SlideMinutes
from support.frames import assert_same_rows, rows_of
from support.quotes import MIDNIGHT, MINUTE, QUOTES_DDL, Tick, numbered, random_arrivals, ticks_frame, ticks_table

KEY = REALTIME_STOCK_ANALYTICS.key
DEVIATIONS = ("volatility_15m", "volatility_1h")
WATERMARK_MINUTES = 10

Row = dict[str, Any]


def version(row: Row) -> tuple[int, ...]:
    """Return the row's version without the transform's, which is one and the same here."""
    return tuple(row[column] for column in REALTIME_STOCK_ANALYTICS.version if column != "transform_version")


@dataclass
class Streamed:
    """What a stream emitted, by micro-batch, and how many quotes it dropped as too late."""

    batches: list[list[Row]] = field(default_factory=list)
    dropped: int = 0
    duplicates: int = 0

    def latest(self) -> list[Row]:
        """Return each window's row of the highest version; a later row must have a higher one."""
        rows: dict[tuple[Any, ...], Row] = {}
        for row in (row for batch in self.batches for row in batch):
            key = tuple(row[column] for column in KEY)
            assert key not in rows or version(rows[key]) < version(row)
            rows[key] = row
        return list(rows.values())


def run_stream(
    spark: SparkSession, folder: Path, micro_batches: Iterator[Sequence[Tick]], slide: SlideMinutes
) -> Streamed:
    source = folder / "source"
    source.mkdir()
    for number, ticks in enumerate(micro_batches):
        file = source / f"{number:03d}.parquet"
        pq.write_table(ticks_table(ticks), file)
        # The source goes by age.
        os.utime(file, (1_700_000_000 + number, 1_700_000_000 + number))
    result = Streamed()

    def keep(batch: DataFrame, _number: int) -> None:
        result.batches.append(rows_of(batch))

    quotes = spark.readStream.schema(QUOTES_DDL).option("maxFilesPerTrigger", 1).parquet(str(source))
    query = (
        stream_windows(quotes, slide, WATERMARK_MINUTES)
        .writeStream.outputMode("update")
        .option("checkpointLocation", str(folder / "checkpoint"))
        .foreachBatch(keep)
        .trigger(availableNow=True)
        .start()
    )
    assert query.awaitTermination(120)
    for progress in query.recentProgress:
        result.dropped += sum(state.numRowsDroppedByWatermark for state in progress.stateOperators)
        result.duplicates += sum(s.customMetrics.get("numDroppedDuplicateRows", 0) for s in progress.stateOperators)
    return result


def batch_rows(spark: SparkSession, ticks: Sequence[Tick], slide: SlideMinutes) -> list[Row]:
    return rows_of(batch_windows(deduplicate(ticks_frame(spark, ticks)), slide))


@pytest.mark.parametrize("slide", [15, 1])
def test_stream_and_batch_give_the_same_windows(spark: SparkSession, tmp_path: Path, slide: SlideMinutes) -> None:
    arrivals = random_arrivals(100 + slide, symbols=6, most_delay=timedelta(minutes=WATERMARK_MINUTES - 1))
    size = len(arrivals) // 4 + 1
    cut = (arrivals[start : start + size] for start in range(0, len(arrivals), size))
    streamed = run_stream(spark, tmp_path, cut, slide)

    assert len(streamed.batches) >= 4
    assert streamed.dropped == 0
    assert streamed.duplicates > 0
    assert_same_rows(streamed.latest(), batch_rows(spark, arrivals, slide), KEY, deviations=DEVIATIONS)


def test_prices_that_are_all_equal_have_a_deviation_of_exactly_0(spark: SparkSession, tmp_path: Path) -> None:
    # This price divided by 13 and multiplied by 13 is another: merged into an empty state, the mean of 13 is off.
    ticks = numbered(Tick("A", MIDNIGHT + minute * MINUTE, 438.1799, 1) for minute in range(15))
    streamed = run_stream(spark, tmp_path, iter([ticks[:13], ticks[13:]]), 15)
    assert [(row["record_count_1h"], row["volatility_1h"]) for row in streamed.batches[-1]] == [(15, 0.0)]


def test_quotes_beyond_the_watermark_are_dropped_counted_and_repaired(spark: SparkSession, tmp_path: Path) -> None:
    on_time = [
        Tick("A", MIDNIGHT + minute * MINUTE, 100.0 + minute, 10 + minute, kafka_partition=2)
        for minute in range(0, 60, 2)
    ]
    too_late = [replace(on_time[5], source="replay", price=250.0), replace(on_time[6], source="replay", price=50.0)]
    ticks = numbered([*on_time, *too_late])
    on_time, too_late = ticks[:-2], ticks[-2:]
    streamed = run_stream(spark, tmp_path, iter([on_time[:15], on_time[15:28], on_time[28:] + too_late]), 15)

    assert streamed.dropped == len(too_late)
    assert_same_rows(streamed.latest(), batch_rows(spark, on_time, 15), KEY, deviations=DEVIATIONS)
    repaired = {row["window_start"]: row for row in batch_rows(spark, ticks, 15)}
    for row in streamed.latest():
        better = repaired[row["window_start"]]
        knows_more = better["record_count_1h"] > row["record_count_1h"]
        assert version(better) > version(row) if knows_more else version(better) == version(row)
    start = MIDNIGHT.replace(tzinfo=None)
    assert (repaired[start]["high"], repaired[start]["low"]) == (250.0, 50.0)
