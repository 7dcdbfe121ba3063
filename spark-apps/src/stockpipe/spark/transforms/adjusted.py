"""Bars comparable across splits and dividends, as of a date: nothing raw is changed, actions are applied here.

A source may have applied actions itself. Yahoo's prices are as of their fetch, so only splits after it are still to be
applied to them; other sources' prices are as traded on their day. An adjusted close is as of its fetch at any source.
"""

from datetime import date

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as sf

SPLIT_BY_SOURCE = ("yahoo",)
"""Sources that apply a split to all bars before it, from its ex-date on."""

_PRICES = ("open", "high", "low", "close")
_ACTIONS = "array<struct<ex_date: date, shares: double, left: double, known_at: timestamp>>"


def adjusted(bars: DataFrame, actions: DataFrame, as_of: date) -> DataFrame:
    """Return the bars as of the close of `as_of`.

    Args:
        bars: symbol, date, open, high, low, close, adj_close, volume, source, fetched_at, and others that stay as they
            are; one row a symbol and date.
        actions: symbol, ex_date, kind, ratio, amount, source, fetched_at; several versions of one may be there.
        as_of: effective date: later actions are not applied. An action is effective before the open of its ex-date.

    Returns:
        the bars, in which prices and volume count shares of `as_of`, `adj_close` is lowered by dividends too (each
        lowers the prices before it by its share in the close before it), `fetched_at` is at least when an action that
        was applied came into effect or became known, and these new columns: `split_factor`, shares of `as_of` that a
        share in the source's prices has become; `actions_as_of`, ex-date of the newest action applied, null without
        one; `restated_on`, day on which an action of the symbol last came into effect or became known.
        A bar without `adj_close` gets one if its symbol has actions.
    """
    effective = _current(actions).where(sf.col("ex_date") <= sf.lit(as_of))
    based = _with_bases(bars)
    splits = effective.where(sf.col("kind") == "split").withColumns({"shares": sf.col("ratio"), "left": sf.lit(1.0)})
    counted = _with_actions(based, splits)
    prices = counted.select("symbol", "date", (sf.col("close") / _product("shares", "price_basis")).alias("price"))
    dividends = _with_actions(_with_bases(effective.where(sf.col("kind") == "dividend"), "ex_date"), splits)
    both = splits.select("symbol", "ex_date", "shares", "left", "known_at").unionByName(_cuts(dividends, prices))
    return _apply(_with_actions(based, both), bars.columns)


def unadjusted(bars: DataFrame) -> DataFrame:
    """Return what `adjusted` returns where no actions are known."""
    no_date = sf.lit(None).cast("date")
    return bars.withColumns({"split_factor": sf.lit(1.0), "actions_as_of": no_date, "restated_on": no_date})


def _current(actions: DataFrame) -> DataFrame:
    """Keep of each action what was fetched last, and add `known_at`: when that came into effect or became known."""
    versions = Window.partitionBy("symbol", "ex_date", "kind").orderBy("fetched_at", sf.desc("source"))
    value = sf.coalesce("ratio", "amount")
    changed = ~value.eqNullSafe(sf.lag(value).over(versions))
    newest = Window.partitionBy("symbol", "ex_date", "kind").orderBy(sf.desc("fetched_at"), sf.asc("source"))
    said = actions.withColumn("changed", changed).where("changed").withColumn("version", sf.row_number().over(newest))
    known_at = sf.greatest("fetched_at", sf.col("ex_date").cast("timestamp"))
    return said.where("version = 1").withColumn("known_at", known_at).drop("changed", "version")


def _with_bases(rows: DataFrame, day: str = "date") -> DataFrame:
    """Add `price_basis` and `cash_basis`: splits, and actions on `adj_close`, up to that day are in the row already."""
    fetched = sf.greatest(sf.to_date("fetched_at"), sf.col(day))
    upstream = sf.when(sf.col("source").isin(*SPLIT_BY_SOURCE), fetched).otherwise(sf.col(day))
    given = sf.col("adj_close").isNotNull() if "adj_close" in rows.columns else sf.lit(False)
    return rows.withColumns({"price_basis": upstream, "cash_basis": sf.when(given, fetched).otherwise(sf.col(day))})


def _with_actions(rows: DataFrame, actions: DataFrame) -> DataFrame:
    by_symbol = actions.groupBy("symbol").agg(
        sf.collect_list(sf.struct("ex_date", "shares", "left", "known_at")).cast(_ACTIONS).alias("actions")
    )
    return rows.join(by_symbol, "symbol", "left").withColumn(
        "actions", sf.coalesce("actions", sf.array().cast(_ACTIONS))
    )


def _cuts(dividends: DataFrame, prices: DataFrame) -> DataFrame:
    """Return the dividends with `left`, the part of the price before them that is left after them."""
    priced = (
        dividends.select(
            "symbol", "ex_date", "known_at", (sf.col("amount") / _product("shares", "price_basis")).alias("amount")
        )
        .join(prices, "symbol")
        .where(sf.col("date") < sf.col("ex_date"))
        .groupBy("symbol", "ex_date", "amount", "known_at")
        .agg(sf.max_by("price", "date").alias("price"))
    )
    left = (1 - sf.col("amount") / sf.col("price")).alias("left")
    return priced.select("symbol", "ex_date", sf.lit(1.0).alias("shares"), left, "known_at")


def _apply(rows: DataFrame, columns: list[str]) -> DataFrame:
    split_factor = _product("shares", "price_basis")
    given = sf.col("adj_close").isNotNull()
    unpaid = sf.when(given, sf.col("adj_close") / _product("shares", "cash_basis")).when(
        sf.size("actions") > 0, sf.col("close") / split_factor
    )
    changes: dict[str, Column] = {name: sf.col(name) / split_factor for name in _PRICES}
    changes["volume"] = sf.round(sf.col("volume") * split_factor).cast("bigint")
    changes["adj_close"] = unpaid * _product("left", "cash_basis")
    first_open = sf.least("price_basis", "cash_basis")
    applied = sf.filter("actions", lambda each: each["ex_date"] > first_open)
    newest = sf.array_max(sf.transform(applied, lambda each: each["known_at"]))
    changes["fetched_at"] = sf.greatest("fetched_at", newest)
    return rows.select(
        *(changes[name].alias(name) if name in changes else sf.col(name) for name in columns),
        split_factor.alias("split_factor"),
        sf.array_max(sf.transform(applied, lambda each: each["ex_date"])).alias("actions_as_of"),
        sf.to_date(sf.array_max(sf.transform("actions", lambda each: each["known_at"]))).alias("restated_on"),
    )


def _product(field: str, basis: str) -> Column:
    """Return the product of `field` over the actions whose ex-date is after the day in column `basis`."""
    return sf.aggregate(
        sf.filter("actions", lambda each: each["ex_date"] > sf.col(basis)),
        sf.lit(1.0),
        lambda product, each: product * each[field],
    )
