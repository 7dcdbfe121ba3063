"""Prices comparable across splits and dividends, as of a date: nothing raw is changed, actions are applied here.

A source may have applied splits itself: Yahoo's bars are as of their fetch, so only splits after it are still to be
applied to them; other sources' bars are as traded on their day.
"""

from datetime import date

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as sf

SPLIT_BY_SOURCE = ("yahoo",)
"""Sources that apply a split to all bars before it, from its ex-date on."""

_PRICES = ("open", "high", "low", "close")


def adjusted(bars: DataFrame, actions: DataFrame, as_of: date) -> DataFrame:
    """Return the bars with `adj_open` … `adj_close` and `adj_volume` as of the close of `as_of`.

    Args:
        bars: symbol, date, open, high, low, close, volume, source, fetched_at; one row a symbol and date.
        actions: symbol, ex_date, kind, ratio, amount, source, fetched_at; several versions of one may be there.
        as_of: effective date: later actions are not applied.

    An action is effective before the open of its ex-date. A dividend lowers the prices before it by its share in the
    close before it; volumes change by splits only.
    """
    effective = _newest(actions).where(sf.col("ex_date") <= sf.lit(as_of))
    splits = effective.where(sf.col("kind") == "split").select("symbol", "ex_date", "ratio")
    shares = _with_shares(bars, splits, "date")
    dividends = effective.where(sf.col("kind") == "dividend")
    cuts = _with_cuts(_with_shares(dividends, splits, "ex_date"), shares)
    marked = shares.join(cuts, "symbol", "left").withColumn(
        "cut", sf.coalesce(_product("cuts", sf.col("date"), "cut"), sf.lit(1.0))
    )
    factor = sf.col("cut") / sf.col("shares")
    return marked.select(
        *bars.columns,
        *((sf.col(name) * factor).alias(f"adj_{name}") for name in _PRICES),
        (sf.col("volume") * sf.col("shares")).alias("adj_volume"),
    )


def _newest(actions: DataFrame) -> DataFrame:
    versions = Window.partitionBy("symbol", "ex_date", "kind").orderBy(sf.desc("fetched_at"), sf.asc("source"))
    return actions.withColumn("version", sf.row_number().over(versions)).where("version = 1").drop("version")


def _with_shares(rows: DataFrame, splits: DataFrame, day: str) -> DataFrame:
    """Add `shares`: how many shares of `as_of` one share of the row has become by splits not yet applied to it."""
    fetched = sf.to_date("fetched_at")
    upstream = sf.col("source").isin(*SPLIT_BY_SOURCE) & (fetched > sf.col(day))
    basis = sf.when(upstream, fetched).otherwise(sf.col(day))
    by_symbol = splits.groupBy("symbol").agg(
        sf.collect_list(sf.struct("ex_date", sf.col("ratio").alias("factor"))).alias("splits")
    )
    return (
        rows.join(by_symbol, "symbol", "left")
        .withColumn("shares", sf.coalesce(_product("splits", basis, "factor"), sf.lit(1.0)))
        .drop("splits")
    )


def _with_cuts(dividends: DataFrame, bars: DataFrame) -> DataFrame:
    """Return each symbol's dividends as `cuts`: ex-date, and the part of the price before it that is left after it."""
    before = bars.select("symbol", "date", (sf.col("close") / sf.col("shares")).alias("price"))
    priced = (
        dividends.select("symbol", "ex_date", (sf.col("amount") / sf.col("shares")).alias("amount"))
        .join(before, "symbol")
        .where(sf.col("date") < sf.col("ex_date"))
        .groupBy("symbol", "ex_date", "amount")
        .agg(sf.max_by("price", "date").alias("price"))
    )
    cut = (1 - sf.col("amount") / sf.col("price")).alias("cut")
    return priced.groupBy("symbol").agg(sf.collect_list(sf.struct("ex_date", cut)).alias("cuts"))


def _product(actions: str, after: Column, field: str) -> Column:
    """Return the product of `field` over the actions whose ex-date is after `after`; null where there are none."""
    return sf.aggregate(
        sf.filter(actions, lambda each: each["ex_date"] > after),
        sf.lit(1.0),
        lambda product, each: product * each[field],
    )
