"""The realtime windows, against a computation that knows nothing of panes, merging or Spark."""

from datetime import timedelta
from typing import get_args

import pytest
from pyspark.sql import SparkSession

from stockpipe.common.contracts.tables import REALTIME_STOCK_ANALYTICS
from stockpipe.spark.transforms.batch_windows import batch_windows
from stockpipe.spark.transforms.deduplicate import deduplicate
from stockpipe.spark.transforms.windows import SlideMinutes
from support.frames import assert_same_rows, rows_of
from support.quotes import MIDNIGHT, MINUTE, Tick, numbered, random_arrivals, reference_windows, ticks_frame

KEY = ("symbol", "window_end")
DEVIATIONS = ("volatility_15m", "volatility_1h")
STAMPED = {"batch_id", "transform_version", "processed_at"}


def windows_of(spark: SparkSession, ticks: list[Tick], slide: SlideMinutes = 15) -> list[dict[str, object]]:
    return rows_of(batch_windows(deduplicate(ticks_frame(spark, ticks)), slide))


@pytest.mark.parametrize("slide", get_args(SlideMinutes))
def test_windows_equal_those_computed_one_by_one(spark: SparkSession, slide: SlideMinutes) -> None:
    ticks = random_arrivals(slide, symbols=16, most_delay=timedelta(hours=2))
    expected = reference_windows(ticks, slide)
    assert {row["window_start"].date() for row in expected} == {(MIDNIGHT - MINUTE).date(), MIDNIGHT.date()}
    assert any(row["vwap_15m"] is None for row in expected)
    assert any(row["volatility_15m"] is None for row in expected)
    assert_same_rows(windows_of(spark, ticks, slide), expected, KEY, deviations=DEVIATIONS)


def test_the_columns_are_those_of_the_table(spark: SparkSession) -> None:
    windows = batch_windows(ticks_frame(spark, [Tick("A", MIDNIGHT, 1.0, 1)]), 15)
    assert windows.columns == [name for name in REALTIME_STOCK_ANALYTICS.column_names if name not in STAMPED]


def test_a_quote_at_the_end_of_a_window_belongs_to_the_next(spark: SparkSession) -> None:
    ticks = numbered(
        [
            Tick("A", MIDNIGHT, 1.0, 10),
            Tick("A", MIDNIGHT + 15 * MINUTE - timedelta(milliseconds=1), 2.0, 20),
            Tick("A", MIDNIGHT + 15 * MINUTE, 4.0, 40),
        ]
    )
    first, second = sorted(windows_of(spark, ticks), key=lambda row: str(row["window_end"]))
    assert (first["open"], first["close"], first["record_count_15m"], first["volume_sum_15m"]) == (1.0, 2.0, 2, 30)
    assert (second["open"], second["close"], second["record_count_15m"], second["record_count_1h"]) == (4.0, 4.0, 1, 3)


def test_open_and_close_at_one_instant_go_by_offset(spark: SparkSession) -> None:
    late, early = Tick("A", MIDNIGHT, 5.0, 1, "replay", 0, 8), Tick("A", MIDNIGHT, 3.0, 1, "sample", 0, 7)
    (row,) = windows_of(spark, [late, early])
    assert (row["open"], row["close"]) == (3.0, 5.0)


def test_of_copies_the_one_with_the_lowest_offset_counts(spark: SparkSession) -> None:
    copies = [
        Tick("A", MIDNIGHT, 9.0, 9, kafka_partition=0, kafka_offset=9),
        Tick("A", MIDNIGHT, 6.0, 6, kafka_partition=2, kafka_offset=5),
        Tick("A", MIDNIGHT, 5.0, 5, kafka_partition=1, kafka_offset=5),
    ]
    (row,) = windows_of(spark, copies)
    assert (row["open"], row["record_count_15m"], row["volume_sum_15m"]) == (5.0, 1, 5)
    assert (row["last_offset"], row["kafka_partition"]) == (5, 1)


def test_cents_at_a_price_of_a_billion_keep_their_deviation(spark: SparkSession) -> None:
    # A sum of squares near 1e20 has no digit left for differences of 0.01.
    ticks = numbered(
        Tick("A", MIDNIGHT + second * timedelta(seconds=1), 1e9 + 0.01 * (second % 3), 1)
        for second in range(0, 900, 20)
    )
    assert_same_rows(windows_of(spark, ticks), reference_windows(ticks, 15), KEY, deviations=DEVIATIONS)


def test_prices_that_are_all_equal_have_a_deviation_of_exactly_0(spark: SparkSession) -> None:
    # The sum of nine of these over nine is not this price: of minutes with eight and nine quotes the means differ.
    ticks = numbered(Tick("A", MIDNIGHT + second * timedelta(seconds=1), 455.17, 1) for second in range(0, 3600, 7))
    deviations = {row[name] for row in windows_of(spark, ticks) for name in DEVIATIONS}
    assert deviations == {0.0}


def test_no_quote_gives_no_window(spark: SparkSession) -> None:
    assert windows_of(spark, []) == []
