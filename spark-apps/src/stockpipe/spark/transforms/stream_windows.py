"""Realtime windows of an endless stream of quotes, by one stateful aggregation."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as sf

from stockpipe.spark.transforms.deduplicate import IDENTITY
from stockpipe.spark.transforms.parts import columns_of
from stockpipe.spark.transforms.windows import HORIZONS, LONGEST_MINUTES, SlideMinutes, part_of, to_rows


def stream_windows(quotes: DataFrame, slide_minutes: SlideMinutes, watermark_minutes: int) -> DataFrame:
    """Return the windows that change, in update mode; the same rows as `batch_windows` once all quotes are in.

    Copies of a quote are dropped where they arrive no more than the watermark apart. A quote older than the watermark
    is dropped and counted by Spark as `numRowsDroppedByWatermark`.

    Args:
        quotes: a stream with the columns QUOTE_COLUMNS; those of a symbol arrive in the order of their offsets.
        slide_minutes: distance between two values of `window_end`.
        watermark_minutes: how much later than the newest quote a quote may arrive.
    """
    end = sf.col("longest.end")
    parts = [
        column.alias(name)
        for minutes in HORIZONS
        for name, column in columns_of(minutes, part_of(sf.col("event_time") >= end - _minutes(minutes))).items()
    ]
    return to_rows(
        quotes.withWatermark("event_time", f"{watermark_minutes} minutes")
        .dropDuplicatesWithinWatermark(list(IDENTITY))
        .withColumn("longest", sf.window("event_time", f"{LONGEST_MINUTES} minutes", f"{slide_minutes} minutes"))
        .groupBy("symbol", "longest")
        .agg(*parts)
        .withColumn("window_end", end)
    )


def _minutes(count: int) -> Column:
    return sf.make_dt_interval(mins=sf.lit(count))
