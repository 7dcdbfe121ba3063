"""Daily metrics: averages, volatility and volume of each symbol's sessions."""

from datetime import date

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as sf

from stockpipe.spark.transforms.parts import (
    Part,
    add,
    columns_of,
    field_column,
    merge_moments,
    moments_of_one,
    part,
    roll,
    sample_deviation,
)

PERIODS = (5, 15, 30)
"""Sessions that averages and deviations look back."""
BAR_COLUMNS = (
    "symbol",
    "date",
    "open",
    "high",
    "low",
    "close",
    "adj_close",
    "volume",
    "exchange",
    "source",
    "is_final",
    "fetched_at",
    "kafka_partition",
    "kafka_offset",
)
"""The columns that daily metrics need of a bar."""

_LONGEST = max(PERIODS)
_VOLUME_PERIOD = 15


def newest_versions(bars: DataFrame) -> DataFrame:
    """Keep one bar of each symbol and date: a final one before others, then the one fetched last.

    Of bars fetched at the same instant the one with the highest offset is kept.
    """
    versions = Window.partitionBy("symbol", "date").orderBy(
        sf.desc("is_final"), sf.desc("fetched_at"), sf.desc("kafka_offset"), sf.desc("kafka_partition")
    )
    # Partitioned by symbol at once, so that the windows over a symbol's sessions need no second shuffle.
    numbered = bars.repartition("symbol").withColumn("version", sf.row_number().over(versions))
    return numbered.where(sf.col("version") == 1).drop("version")


def daily_metrics(bars: DataFrame) -> DataFrame:
    """Return the metrics of every bar.

    Args:
        bars: as `adjusted` returns them, one row a symbol and date, from the first session that counts on.

    Returns:
        the columns of DAILY_STOCK_METRICS without those that `stamp` adds, and `restated_on`.
    """
    chained = _with_returns(bars)
    session = {
        "sessions": sf.lit(1),
        "close": sf.col("close"),
        "volume": sf.col("volume"),
        "fetched_at": sf.col("fetched_at"),
        **moments_of_one("return", sf.col("daily_return")),
    }
    rolled = roll(chained.withColumns(columns_of(1, session)), list(session), PERIODS, _sessions_earlier, _merge_parts)
    # A deviation of 30 returns rests on 31 bars.
    return _to_rows(rolled.withColumn("oldest_fetched_at", _sessions_earlier("fetched_at", _LONGEST)))


def is_due(first: date, last: date) -> Column:
    """Return whether a row of metrics is due in a run over the sessions `first` to `last`, both included.

    So are all earlier sessions of a symbol of which a split or dividend came into effect or became known in these days.
    """
    restated = sf.coalesce(sf.col("restated_on").between(sf.lit(first), sf.lit(last)), sf.lit(False))
    return (sf.col("date") <= sf.lit(last)) & (restated | (sf.col("date") >= sf.lit(first)))


def _sessions_earlier(column: Column | str, count: int) -> Column:
    return sf.lag(column, count).over(Window.partitionBy("symbol").orderBy("date"))


def _with_returns(bars: DataFrame) -> DataFrame:
    chained = bars.withColumns(
        {
            "previous_close": _sessions_earlier("close", 1),
            "previous_adj_close": _sessions_earlier("adj_close", 1),
        }
    )
    adjusted = sf.col("adj_close").isNotNull()
    previous_adjusted = sf.col("previous_adj_close").isNotNull()
    daily_return = sf.when(adjusted & previous_adjusted, sf.col("adj_close") / sf.col("previous_adj_close") - 1).when(
        ~adjusted & ~previous_adjusted, sf.col("close") / sf.col("previous_close") - 1
    )
    return chained.withColumn("daily_return", daily_return)


def _merge_parts(earlier: Part, later: Part) -> Part:
    return {
        **{name: add(earlier[name], later[name]) for name in ("sessions", "close", "volume")},
        "fetched_at": sf.greatest(earlier["fetched_at"], later["fetched_at"]),
        **merge_moments("return", earlier, later),
    }


def _mean(field: str, period: int) -> Column:
    last = part(period, ("sessions", field))
    return sf.when(last["sessions"] == period, last[field] / period)


def _volatility(period: int) -> Column:
    last = part(period, ("return_count", "return_m2"))
    return sf.when(last["return_count"] == period, sample_deviation("return", last))


def _volume_trend() -> Column:
    """Compare sum / 5 with 1.1 and 0.9 times sum / 15 in whole numbers, so that rounding decides nothing."""
    recent, usual = sf.col(field_column(5, "volume")) * 30, sf.col(field_column(_VOLUME_PERIOD, "volume"))
    known = (sf.col(field_column(_VOLUME_PERIOD, "sessions")) == _VOLUME_PERIOD) & (usual > 0)
    trend = sf.when(recent > usual * 11, "rising").when(recent < usual * 9, "falling").otherwise("flat")
    return sf.when(known, trend)


def _to_rows(rolled: DataFrame) -> DataFrame:
    change = sf.col("close") - sf.col("previous_close")
    volume_sma = _mean("volume", _VOLUME_PERIOD)
    return rolled.select(
        "symbol",
        "date",
        *(sf.col(name).alias(f"daily_{name}") for name in ("open", "high", "low", "close", "volume")),
        "adj_close",
        change.alias("daily_change"),
        (change / sf.col("previous_close") * 100).alias("daily_change_pct"),
        "daily_return",
        *(_mean("close", period).alias(f"sma_{period}") for period in PERIODS),
        *(_volatility(period).alias(f"volatility_{period}") for period in PERIODS),
        volume_sma.alias(f"volume_sma_{_VOLUME_PERIOD}"),
        sf.try_divide(sf.col("volume").cast("double"), volume_sma).alias("volume_ratio"),
        _volume_trend().alias("volume_trend"),
        "is_final",
        sf.greatest(field_column(_LONGEST, "fetched_at"), "oldest_fetched_at").alias("source_fetched_at"),
        "exchange",
        "split_factor",
        "actions_as_of",
        "restated_on",
    )
