"""Adjusted prices against hand-computed ones and against the definition: returns don't see splits."""

from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
from pyspark.sql import SparkSession

from stockpipe.spark.transforms.adjusted import adjusted, unadjusted
from support.frames import rows_of

BARS = pa.schema(
    [("symbol", pa.string()), ("date", pa.date32())]
    + [(name, pa.float64()) for name in ("open", "high", "low", "close", "adj_close")]
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


def at(day: int, hour: int = 22) -> datetime:
    return datetime(2026, 11, day, hour, tzinfo=UTC)


def bar(day: int, price: float, source: str = "alphavantage", fetched: datetime = LATER, **more: Any) -> dict[str, Any]:
    values = {"symbol": "A", "date": date(2026, 11, day), "volume": 100, "source": source, "fetched_at": fetched}
    return values | dict.fromkeys(("open", "high", "low", "close"), price) | {"adj_close": None} | more


def split(day: int, ratio: float, fetched: datetime = LATER) -> dict[str, Any]:
    action = {"symbol": "A", "ex_date": date(2026, 11, day), "kind": "split", "ratio": ratio, "source": "yahoo"}
    return action | {"amount": None, "fetched_at": fetched}


def dividend(day: int, amount: float, source: str = "alphavantage", fetched: datetime = LATER) -> dict[str, Any]:
    action = {"symbol": "A", "ex_date": date(2026, 11, day), "kind": "dividend", "amount": amount, "source": source}
    return action | {"ratio": None, "fetched_at": fetched}


AS_OF = date(2026, 11, 30)


def rows_after(
    spark: SparkSession, bars: list[dict[str, Any]], actions: list[dict[str, Any]], as_of: date = AS_OF
) -> list[dict[str, Any]]:
    """Return the rows of symbol A by day."""
    bar_frame = spark.createDataFrame(pa.Table.from_pylist(bars, BARS))
    action_frame = spark.createDataFrame(pa.Table.from_pylist(actions, ACTIONS))
    rows = [row for row in rows_of(adjusted(bar_frame, action_frame, as_of)) if row["symbol"] == "A"]
    return sorted(rows, key=lambda row: row["date"])


def run(
    spark: SparkSession, bars: list[dict[str, Any]], actions: list[dict[str, Any]], as_of: date = AS_OF
) -> list[tuple[int, float, float]]:
    """Return day, adjusted close to nine digits, and volume of symbol A."""
    rows = rows_after(spark, bars, actions, as_of)
    return [(row["date"].day, round(row["adj_close"], 9), row["volume"]) for row in rows]


def test_as_traded_bars_before_a_split_are_divided_by_its_ratio(spark: SparkSession) -> None:
    bars = [bar(18, 400.0), bar(19, 404.0), bar(20, 101.0), bar(20, 7.0, symbol="B")]
    assert run(spark, bars, [split(20, 4.0)]) == [(18, 100.0, 400.0), (19, 101.0, 400.0), (20, 101.0, 100.0)]


def test_before_its_effective_date_a_split_is_not_applied(spark: SparkSession) -> None:
    (row,) = rows_after(spark, [bar(18, 400.0)], [split(20, 4.0)], date(2026, 11, 19))
    assert (row["close"], row["adj_close"], row["volume"], row["split_factor"]) == (400.0, None, 100, 1.0)


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


def test_an_adjusted_close_of_the_source_takes_only_what_came_after_its_fetch(spark: SparkSession) -> None:
    """Yahoo had applied the dividend of the 19th at both fetches, the split of the 20th at the second only."""
    bars = [bar(17, 400.0, "yahoo", at(19), adj_close=392.0), bar(18, 100.0, "yahoo", at(20), adj_close=98.0)]
    assert run(spark, bars, [dividend(19, 8.0, "yahoo", at(19)), split(20, 4.0, at(20))]) == [
        (17, 98.0, 400.0),
        (18, 98.0, 100.0),
    ]


def test_a_row_is_as_new_as_the_newest_action_applied_to_it(spark: SparkSession) -> None:
    """What a source says again is no news; an action known before its ex-date is news on that."""
    bars = [bar(17, 400.0, fetched=at(17)), bar(18, 400.0, fetched=at(18)), bar(23, 100.0, fetched=at(23))]
    said_twice = [split(20, 4.0, at(20)), split(20, 4.0, at(25))]
    announced = [dividend(18, 2.0, fetched=at(11))]
    first, second, third = rows_after(spark, bars, said_twice + announced)
    assert [row["fetched_at"] for row in (first, second, third)] == [
        at(day).replace(tzinfo=None) for day in (20, 20, 23)
    ]
    assert [row["actions_as_of"] for row in (first, second, third)] == [date(2026, 11, 20)] * 2 + [None]
    assert {row["restated_on"] for row in (first, second, third)} == {date(2026, 11, 20)}
    (row,) = rows_after(spark, bars[:1], announced)
    assert row["fetched_at"] == datetime(2026, 11, 18)


def test_a_corrected_action_counts_from_its_correction_on(spark: SparkSession) -> None:
    (row,) = rows_after(spark, [bar(18, 400.0, fetched=at(18))], [split(20, 2.0, at(20)), split(20, 4.0, at(24))])
    assert (row["close"], row["fetched_at"]) == (100.0, at(24).replace(tzinfo=None))


def test_without_actions_nothing_changes(spark: SparkSession) -> None:
    bars = [bar(18, 80.0, adj_close=79.0), bar(19, 81.0)]
    assert rows_after(spark, bars, []) == sorted(
        rows_of(unadjusted(spark.createDataFrame(pa.Table.from_pylist(bars, BARS)))), key=lambda row: row["date"]
    )
