"""Adjusted prices against hand-computed ones and against the definition: returns don't see splits."""

from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
from pyspark.sql import SparkSession

from stockpipe.spark.transforms.adjusted import adjusted
from support.frames import rows_of

BARS = pa.schema(
    [("symbol", pa.string()), ("date", pa.date32())]
    + [(name, pa.float64()) for name in ("open", "high", "low", "close")]
    + [("volume", pa.int64()), ("source", pa.string()), ("fetched_at", pa.timestamp("us", tz="UTC"))]
)
ACTIONS = pa.schema(
    [
        ("symbol", pa.string()),
        ("ex_date", pa.date32()),
        ("kind", pa.string()),
        ("ratio", pa.float64()),
        ("amount", pa.float64()),
        ("source", pa.string()),
        ("fetched_at", pa.timestamp("us", tz="UTC")),
    ]
)
LATER = datetime(2026, 12, 1, tzinfo=UTC)


def bar(day: int, price: float, source: str = "alphavantage", fetched: datetime = LATER, **more: Any) -> dict[str, Any]:
    prices = dict.fromkeys(("open", "high", "low", "close"), price)
    return (
        {"symbol": "A", "date": date(2026, 11, day), "volume": 100, "source": source, "fetched_at": fetched}
        | prices
        | more
    )


def split(day: int, ratio: float, fetched: datetime = LATER) -> dict[str, Any]:
    action = {"symbol": "A", "ex_date": date(2026, 11, day), "kind": "split", "ratio": ratio, "source": "yahoo"}
    return action | {"amount": None, "fetched_at": fetched}


def dividend(day: int, amount: float, source: str = "alphavantage") -> dict[str, Any]:
    action = {"symbol": "A", "ex_date": date(2026, 11, day), "kind": "dividend", "amount": amount, "source": source}
    return action | {"ratio": None, "fetched_at": LATER}


def run(
    spark: SparkSession, bars: list[dict[str, Any]], actions: list[dict[str, Any]], as_of: date = date(2026, 11, 30)
) -> list[tuple[int, float, float]]:
    """Return day, adjusted close to nine digits, and adjusted volume of symbol A."""
    bar_frame = spark.createDataFrame(pa.Table.from_pylist(bars, BARS))
    action_frame = spark.createDataFrame(pa.Table.from_pylist(actions, ACTIONS))
    rows = [row for row in rows_of(adjusted(bar_frame, action_frame, as_of)) if row["symbol"] == "A"]
    return sorted((row["date"].day, round(row["adj_close"], 9), row["adj_volume"]) for row in rows)


def test_as_traded_bars_before_a_split_are_divided_by_its_ratio(spark: SparkSession) -> None:
    bars = [bar(18, 400.0), bar(19, 404.0), bar(20, 101.0), bar(20, 7.0, symbol="B")]
    assert run(spark, bars, [split(20, 4.0)]) == [(18, 100.0, 400.0), (19, 101.0, 400.0), (20, 101.0, 100.0)]


def test_before_its_effective_date_a_split_is_not_applied(spark: SparkSession) -> None:
    assert run(spark, [bar(18, 400.0)], [split(20, 4.0)], date(2026, 11, 19)) == [(18, 400.0, 100.0)]


def test_a_split_that_the_source_has_applied_is_not_applied_again(spark: SparkSession) -> None:
    before, after = datetime(2026, 11, 19, 22, tzinfo=UTC), datetime(2026, 11, 20, 22, tzinfo=UTC)
    bars = [bar(18, 400.0, "yahoo", before), bar(19, 100.0, "yahoo", after)]
    assert run(spark, bars, [split(20, 4.0)]) == [(18, 100.0, 400.0), (19, 100.0, 100.0)]


def test_two_splits_multiply_and_versions_of_one_count_once(spark: SparkSession) -> None:
    old = datetime(2026, 11, 21, tzinfo=UTC)
    actions = [split(20, 4.0), split(20, 5.0, old), split(24, 2.0), split(24, 2.0, old)]
    assert run(spark, [bar(18, 800.0), bar(23, 200.0)], actions) == [(18, 100.0, 800.0), (23, 100.0, 200.0)]


def test_a_dividend_lowers_the_prices_before_it_by_its_share(spark: SparkSession) -> None:
    bars = [bar(18, 80.0), bar(19, 100.0), bar(20, 98.0)]
    assert run(spark, bars, [dividend(20, 2.0)]) == [(18, 78.4, 100.0), (19, 98.0, 100.0), (20, 98.0, 100.0)]


def test_a_dividend_before_a_split_is_in_the_shares_of_its_day(spark: SparkSession) -> None:
    bars, actions = [bar(18, 400.0), bar(19, 392.0), bar(20, 98.0)], [dividend(19, 8.0), split(20, 4.0)]
    assert run(spark, bars, actions) == [
        (18, 98.0, 400.0),
        (19, 98.0, 400.0),
        (20, 98.0, 100.0),
    ]


def test_without_actions_nothing_changes(spark: SparkSession) -> None:
    assert run(spark, [bar(18, 80.0)], []) == [(18, 80.0, 100.0)]
