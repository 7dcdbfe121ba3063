"""What a realtime window is: the one definition that the batch and the stream share.

A row stands for a symbol and a `window_end` on the grid of `slide_minutes`. It describes the quotes of the last 5, 15,
30 and 60 minutes before `window_end`. All of these are half open: a quote at `window_end` itself belongs to the next
row. There is a row wherever the last 15 minutes have a quote.
"""

from typing import Literal

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as sf

from stockpipe.spark.transforms.parts import Part, add, first_of, merge_moments, moments_of, part, sample_deviation

SlideMinutes = Literal[1, 5, 15]

WINDOW_MINUTES = 15
HORIZONS = (5, WINDOW_MINUTES, 30, 60)
"""Minutes that a row looks back."""
LONGEST_MINUTES = max(HORIZONS)
CONTEXT_MINUTES = LONGEST_MINUTES - WINDOW_MINUTES
"""How long before `window_start` the quotes that a row describes begin."""

QUOTE_COLUMNS = ("symbol", "event_time", "price", "volume", "source", "kafka_partition", "kafka_offset")
"""The columns that windows need of a quote."""


def part_of(within: Column | None = None) -> Part:
    """Return what a row must know of a set of quotes, as aggregates.

    Args:
        within: restricts the set; without it every quote of the group counts.
    """

    def only(column: Column) -> Column:
        return column if within is None else sf.when(within, column)

    price, volume, offset = only(sf.col("price")), only(sf.col("volume")), only(sf.col("kafka_offset"))
    order = only(sf.struct("event_time", "kafka_offset"))
    return {
        **moments_of("price", price),
        "open": sf.min_by("price", order),
        "high": sf.max(price),
        "low": sf.min(price),
        "close": sf.max_by("price", order),
        "volume": sf.sum(volume),
        "turnover": sf.sum(price * volume),
        "last_event_time": sf.max(only(sf.col("event_time"))),
        "first_offset": sf.min(offset),
        "last_offset": sf.max(offset),
        "kafka_partition": sf.max(only(sf.col("kafka_partition"))),
    }


PART_FIELDS = (
    "price_count",
    "price_mean",
    "price_m2",
    "open",
    "high",
    "low",
    "close",
    "volume",
    "turnover",
    "last_event_time",
    "first_offset",
    "last_offset",
    "kafka_partition",
)


def merge_parts(earlier: Part, later: Part) -> Part:
    """Return the part of two sets together, all quotes of the one before all of the other."""
    return {
        **merge_moments("price", earlier, later),
        "open": first_of(earlier["open"], later["open"]),
        "high": sf.greatest(earlier["high"], later["high"]),
        "low": sf.least(earlier["low"], later["low"]),
        "close": first_of(later["close"], earlier["close"]),
        "volume": add(earlier["volume"], later["volume"]),
        "turnover": add(earlier["turnover"], later["turnover"]),
        "last_event_time": first_of(later["last_event_time"], earlier["last_event_time"]),
        "first_offset": sf.least(earlier["first_offset"], later["first_offset"]),
        "last_offset": sf.greatest(earlier["last_offset"], later["last_offset"]),
        "kafka_partition": sf.greatest(earlier["kafka_partition"], later["kafka_partition"]),
    }


def _volatility(quotes: Part) -> Column:
    """Return the sample deviation of prices: exactly 0 where all are equal, which rounded means would miss."""
    is_flat = (quotes["high"] == quotes["low"]) & (quotes["price_count"] > 1)
    return sf.when(is_flat, 0.0).otherwise(sample_deviation("price", quotes))


def to_rows(windows: DataFrame) -> DataFrame:
    """Turn `symbol`, `window_end` and the part of each horizon into the columns of REALTIME_STOCK_ANALYTICS.

    The columns that `stamp` adds are still missing; windows without a quote in the last 15 minutes are left out.
    """
    last_5, last_15, last_30, last_60 = (part(minutes, PART_FIELDS) for minutes in HORIZONS)
    return windows.select(
        "symbol",
        (sf.col("window_end") - sf.make_dt_interval(mins=sf.lit(WINDOW_MINUTES))).alias("window_start"),
        "window_end",
        *(last_15[name].alias(name) for name in ("open", "high", "low", "close")),
        sf.try_divide(last_15["turnover"], last_15["volume"]).alias("vwap_15m"),
        last_5["price_mean"].alias("ma_5m"),
        last_15["price_mean"].alias("ma_15m"),
        last_30["price_mean"].alias("ma_30m"),
        last_60["price_mean"].alias("ma_1h"),
        _volatility(last_15).alias("volatility_15m"),
        _volatility(last_60).alias("volatility_1h"),
        last_15["volume"].alias("volume_sum_15m"),
        last_60["volume"].alias("volume_sum_1h"),
        last_15["price_count"].alias("record_count_15m"),
        last_60["price_count"].alias("record_count_1h"),
        last_15["last_event_time"].alias("last_event_time"),
        last_60["first_offset"].alias("first_offset"),
        last_60["last_offset"].alias("last_offset"),
        last_60["kafka_partition"].alias("kafka_partition"),
    ).where(sf.col("record_count_15m") > 0)
