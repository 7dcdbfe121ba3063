"""Daily metrics, against Polars on the real bars that ship inside bokeh_sampledata."""

import gzip
import importlib.util
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from stockpipe.common.contracts.tables import DAILY_STOCK_METRICS
from stockpipe.spark.transforms.adjusted import unadjusted
from stockpipe.spark.transforms.daily import daily_metrics, is_due, newest_versions
from support.frames import assert_same_rows, rows_of

KEY = ("symbol", "date")
FETCHED = datetime(2026, 11, 23, 14, 30, tzinfo=UTC)
BARS = pa.schema(
    [
        ("symbol", pa.string()),
        ("date", pa.date32()),
        ("open", pa.float64()),
        ("high", pa.float64()),
        ("low", pa.float64()),
        ("close", pa.float64()),
        ("adj_close", pa.float64()),
        ("volume", pa.int64()),
        ("exchange", pa.string()),
        ("source", pa.string()),
        ("is_final", pa.bool_()),
        ("fetched_at", pa.timestamp("us", tz="UTC")),
        ("kafka_partition", pa.int32()),
        ("kafka_offset", pa.int64()),
    ]
)


def bar(number: int, **changes: Any) -> dict[str, Any]:
    """Return the bar of the day with this number, each of another price and fetch."""
    price = 100.0 + number % 7
    values: dict[str, Any] = {
        "symbol": "A",
        "date": date(2026, 1, 1) + timedelta(days=number),
        "open": price,
        "high": price + 1,
        "low": price - 1,
        "close": price,
        "adj_close": price,
        "volume": 1000,
        "exchange": None,
        "source": "sample",
        "is_final": True,
        "fetched_at": FETCHED - timedelta(hours=number),
        "kafka_partition": 0,
        "kafka_offset": number,
    }
    return values | changes


def metrics_of(spark: SparkSession, bars: list[dict[str, Any]]) -> list[dict[str, Any]]:
    frame = spark.createDataFrame(pa.Table.from_pylist(bars, BARS))
    return sorted(
        rows_of(daily_metrics(unadjusted(newest_versions(frame)))), key=lambda row: (row["symbol"], row["date"])
    )


@pytest.fixture(scope="module")
def real_bars() -> pl.DataFrame:
    folders = importlib.util.find_spec("bokeh_sampledata")
    assert folders is not None
    assert folders.submodule_search_locations is not None
    file = Path(folders.submodule_search_locations[0], "_data/stocks.csv.gz")
    columns = {"Ticker": "symbol", "Adj Close": "adj_close"}
    bars = pl.read_csv(gzip.decompress(file.read_bytes()), try_parse_dates=True)
    return bars.rename(lambda name: columns.get(name, name.lower())).with_row_index("kafka_offset")


def expected_metrics(bars: pl.DataFrame) -> pl.DataFrame:
    def of_symbol(value: pl.Expr) -> pl.Expr:
        return value.over("symbol", order_by="date")

    close, volume, returns = pl.col("close"), pl.col("volume"), pl.col("daily_return")
    trend = volume.rolling_mean(5) / volume.rolling_mean(15)
    return (
        bars.with_columns(daily_return=of_symbol(pl.col("adj_close") / pl.col("adj_close").shift(1) - 1))
        .with_columns(
            daily_change=of_symbol(close - close.shift(1)),
            daily_change_pct=of_symbol((close - close.shift(1)) / close.shift(1) * 100),
            **{f"sma_{n}": of_symbol(close.rolling_mean(n)) for n in (5, 15, 30)},
            **{f"volatility_{n}": of_symbol(returns.rolling_std(n, min_samples=n)) for n in (5, 15, 30)},
            volume_sma_15=of_symbol(volume.rolling_mean(15)),
            volume_ratio=of_symbol(volume / volume.rolling_mean(15)),
            volume_trend=of_symbol(
                pl.when(trend > 1.1)
                .then(pl.lit("rising"))
                .when(trend < 0.9)
                .then(pl.lit("falling"))
                .when(trend.is_not_null())
                .then(pl.lit("flat"))
            ),
        )
        .rename({name: f"daily_{name}" for name in ("open", "high", "low", "close", "volume")})
    )


def test_metrics_of_real_bars_equal_those_of_polars(spark: SparkSession, real_bars: pl.DataFrame) -> None:
    shuffled = real_bars.sample(fraction=1, shuffle=True, seed=7)
    fixed = {"exchange": "XNAS", "source": "sample", "is_final": True, "fetched_at": FETCHED, "kafka_partition": 0}
    table = pa.Table.from_pylist([row | fixed for row in shuffled.to_dicts()], BARS)
    found = rows_of(daily_metrics(unadjusted(newest_versions(spark.createDataFrame(table)))).drop("restated_on"))

    stamped = {"batch_id", "transform_version", "processed_at"}
    columns = [name for name in DAILY_STOCK_METRICS.column_names if name not in stamped]
    assert list(found[0]) == columns
    constant: dict[str, Any] = {
        "is_final": True,
        "source_fetched_at": FETCHED.replace(tzinfo=None),
        "exchange": pl.lit("XNAS"),
        "split_factor": 1.0,
        "actions_as_of": None,
    }
    expected = expected_metrics(real_bars).with_columns(**constant)
    # Polars takes its rolling deviations from a running sum, which costs it digits.
    deviations = [name for name in columns if name.startswith("volatility")]
    assert_same_rows(found, expected.select(columns).to_dicts(), KEY, deviations=deviations)

    split = next(row for row in found if row["symbol"] == "AAPL" and row["date"] == date(2005, 2, 28))
    assert split["daily_change_pct"] < -45
    assert abs(split["daily_return"]) < 0.05


def test_the_newest_version_of_a_bar_counts(spark: SparkSession) -> None:
    later = FETCHED + timedelta(seconds=1)
    older_and_newer: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
        "FINAL": ({"is_final": False, "fetched_at": later, "kafka_offset": 9}, {"fetched_at": FETCHED}),
        "FETCH": ({"fetched_at": FETCHED, "kafka_offset": 9}, {"fetched_at": later}),
        "OFFSET": ({"fetched_at": FETCHED, "kafka_offset": 8}, {"fetched_at": FETCHED, "kafka_offset": 9}),
    }
    versions = [
        bar(0, symbol=symbol, close=close, **changes)
        for symbol, pair in older_and_newer.items()
        for close, changes in zip((100.5, 100.25), pair, strict=True)
    ]
    for order in (versions, versions[::-1]):
        assert {row["symbol"]: row["daily_close"] for row in metrics_of(spark, order)} == dict.fromkeys(
            older_and_newer, 100.25
        )


def test_fewer_sessions_than_the_period_give_null(spark: SparkSession) -> None:
    rows = metrics_of(spark, [bar(number) for number in range(31)])
    first_with = {
        column: next(number for number, row in enumerate(rows) if row[column] is not None)
        for column in ("daily_change", "sma_5", "sma_15", "sma_30", "volatility_5", "volatility_15", "volatility_30")
    }
    assert first_with == {
        "daily_change": 1,
        "sma_5": 4,
        "sma_15": 14,
        "sma_30": 29,
        "volatility_5": 5,
        "volatility_15": 15,
        "volatility_30": 30,
    }
    assert [row["volume_trend"] for row in rows] == [None] * 14 + ["flat"] * 17


def test_a_return_needs_two_closes_of_the_same_kind(spark: SparkSession) -> None:
    closes = [(100.0, None), (110.0, None), (121.0, 60.0), (100.0, 90.0), (90.0, None)]
    bars = [
        bar(number, open=close, high=close, low=close, close=close, adj_close=adjusted)
        for number, (close, adjusted) in enumerate(closes)
    ]
    returns = [row["daily_return"] for row in metrics_of(spark, bars)]
    assert returns == [None, pytest.approx(0.1), None, pytest.approx(0.5), None]


def test_a_missing_return_leaves_its_volatilities_null(spark: SparkSession) -> None:
    bars = [bar(number, adj_close=None if number == 8 else 100.0 + number % 7) for number in range(16)]
    known = [number for number, row in enumerate(metrics_of(spark, bars)) if row["volatility_5"] is not None]
    # Sessions 8 and 9 have no return: one of their two closes isn't adjusted.
    assert known == [5, 6, 7, 14, 15]


def test_the_volume_trend_turns_at_a_tenth(spark: SparkSession) -> None:
    # Ten sessions of the first volume, then five of the second. Over 19 and 22 the mean is 20, of which 22 is 1.1 times
    # exactly; over 7 and 6 it is 6 2/3, of which 6 is 0.9 times exactly.
    expected = {
        (1900, 2200): "flat",
        (1900, 2201): "rising",
        (700, 600): "flat",
        (700, 599): "falling",
    }
    bars = [
        bar(number, symbol=f"{usual}-{recent}", volume=usual if number < 10 else recent)
        for usual, recent in expected
        for number in range(15)
    ]
    last = {row["symbol"]: row["volume_trend"] for row in metrics_of(spark, bars)}
    assert last == {f"{usual}-{recent}": trend for (usual, recent), trend in expected.items()}


def test_without_volume_ratio_and_trend_are_null(spark: SparkSession) -> None:
    last = metrics_of(spark, [bar(number, volume=0) for number in range(15)])[-1]
    assert (last["volume_sma_15"], last["volume_ratio"], last["volume_trend"]) == (0.0, None, None)


def test_the_newest_fetch_of_a_row_and_the_thirty_before_it_is_its_version(spark: SparkSession) -> None:
    rows = metrics_of(spark, [bar(number) for number in range(33)])
    # Fetches go back an hour a bar, so the newest is that of the oldest bar that contributes.
    newest = [row["source_fetched_at"] for row in rows]
    start = FETCHED.replace(tzinfo=None)
    assert newest[30] == start
    assert newest[31:] == [start - timedelta(hours=1), start - timedelta(hours=2)]


def test_the_range_is_cut_after_the_windows(spark: SparkSession) -> None:
    frame = spark.createDataFrame(pa.Table.from_pylist([bar(number) for number in range(31)], BARS))
    last = date(2026, 1, 31)
    metrics = daily_metrics(unadjusted(newest_versions(frame)))
    rows = rows_of(metrics.where(is_due(last - timedelta(days=1), last)))
    assert sorted(row["date"] for row in rows) == [last - timedelta(days=1), last]
    assert all(row["sma_30"] is not None for row in rows)
