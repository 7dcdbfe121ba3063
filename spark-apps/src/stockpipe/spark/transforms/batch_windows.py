"""Realtime windows of a finished set of quotes, in two stages.

First one part a symbol and minute ("panes"), then panes merged into windows. All horizons and slides are whole
minutes, so a pane lies wholly inside or outside of each. See W. Li et al., "No Pane, No Gain: Efficient Evaluation of
Sliding-Window Aggregates over Data Streams", SIGMOD Record 34(1), 2005.
"""

from pyspark.sql import Column, DataFrame, Window, WindowSpec
from pyspark.sql import functions as sf

from stockpipe.spark.transforms.parts import columns_of, field_column, roll
from stockpipe.spark.transforms.windows import (
    HORIZONS,
    LONGEST_MINUTES,
    PART_FIELDS,
    SlideMinutes,
    merge_parts,
    part_of,
    to_rows,
)

_SECONDS = 60
_REACH = LONGEST_MINUTES // 2
"""How many minutes a pane must be visible at: `roll` makes the longest horizon of two halves."""


def batch_windows(quotes: DataFrame, slide_minutes: SlideMinutes) -> DataFrame:
    """Return the windows of `quotes`, of which no two may be copies of one.

    Args:
        quotes: the columns QUOTE_COLUMNS, in any order.
        slide_minutes: distance between two values of `window_end`.

    Returns:
        the columns of REALTIME_STOCK_ANALYTICS without those that `stamp` adds.
    """
    windows = roll(_timeline(_panes(quotes)), PART_FIELDS, HORIZONS, _minutes_earlier, merge_parts)
    end_minute = sf.col("minute") + 1
    return to_rows(
        windows.where(end_minute % slide_minutes == 0).withColumn(
            "window_end", sf.timestamp_seconds(end_minute * _SECONDS)
        )
    )


def _by_minute() -> WindowSpec:
    return Window.partitionBy("symbol").orderBy("minute")


def _minutes_earlier(column: Column, minutes: int) -> Column:
    return sf.first(column).over(_by_minute().rangeBetween(-minutes, -minutes))


def _panes(quotes: DataFrame) -> DataFrame:
    """Return `symbol`, `minute` (since the epoch) and the part of that minute."""
    minute = sf.floor(sf.unix_seconds("event_time") / _SECONDS).alias("minute")
    pane = columns_of(1, part_of())
    return quotes.groupBy("symbol", minute).agg(*(column.alias(name) for name, column in pane.items()))


def _timeline(panes: DataFrame) -> DataFrame:
    """Add empty rows for the minutes after each pane in which a window may look back at it."""
    last = sf.least(sf.col("minute") + (_REACH - 1), sf.col("next_pane") - 1)
    minutes = panes.withColumn("next_pane", sf.lead("minute").over(_by_minute())).withColumn(
        "at", sf.explode(sf.sequence("minute", last))
    )
    first_minute = sf.col("at") == sf.col("minute")
    parts = (field_column(1, field) for field in PART_FIELDS)
    return minutes.select(
        "symbol", sf.col("at").alias("minute"), *(sf.when(first_minute, sf.col(name)).alias(name) for name in parts)
    )
