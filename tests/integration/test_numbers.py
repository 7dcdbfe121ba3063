"""Every number in the warehouse equals an independent computation from the source."""

import math
import statistics
from collections import defaultdict
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from integration.conftest import Finished
from stockpipe.common.contracts.tables import DAILY_STOCK_METRICS, REALTIME_STOCK_ANALYTICS
from stockpipe.common.lake.folder import FolderStore
from stockpipe.common.lake.manifests import raw_manifests
from stockpipe.common.lake.raw_rows import decode_rows
from stockpipe.common.warehouse.reader import open_reader
from stockpipe.producer.sources.sample_data import EXCHANGES, sample_rows

SYMBOLS = ("AAPL", "FB", "GOOG", "IBM", "MSFT")


def warehouse(finished: Finished, table: Any) -> list[dict[str, Any]]:
    with open_reader(finished.folder.warehouse) as reader:
        rows: list[dict[str, Any]] = reader.query(f"SELECT * FROM {reader.qualified(table)}").to_pylist()
    return rows


def same(actual: float | None, expected: float | None, relative: float = 1e-9) -> bool:
    if actual is None or expected is None or math.isnan(expected):
        return actual is None and (expected is None or math.isnan(expected))
    return math.isclose(actual, expected, rel_tol=relative, abs_tol=1e-15)


def expected_daily() -> dict[tuple[str, date], dict[str, Any]]:
    """Compute the metrics with Polars from the bars as the packages ship them."""
    rows = [
        {
            "symbol": symbol,
            "date": date.fromisoformat(row["Date"]),
            "close": float(row["Close"]),
            "adjusted": float(row["Adj Close"]),
            "volume": int(row["Volume"]),
        }
        for symbol in SYMBOLS
        for row in sample_rows()[symbol]
    ]
    close, volume = pl.col("close"), pl.col("volume")
    change = (pl.col("adjusted") / pl.col("adjusted").shift(1) - 1).over("symbol")
    frame = pl.DataFrame(rows).sort("symbol", "date").with_columns(daily_return=change)
    frame = frame.with_columns(
        *(close.rolling_mean(n).over("symbol").alias(f"sma_{n}") for n in (5, 15, 30)),
        *(pl.col("daily_return").rolling_std(n).over("symbol").alias(f"volatility_{n}") for n in (5, 15, 30)),
        volume_sma_15=volume.rolling_mean(15).over("symbol"),
        daily_change=(close - close.shift(1)).over("symbol"),
    ).with_columns(volume_ratio=volume / pl.col("volume_sma_15"))
    return {(row["symbol"], row["date"]): row for row in frame.to_dicts()}


def test_every_daily_row_equals_polars_on_the_source_bars(finished: Finished) -> None:
    expected = expected_daily()
    rows = warehouse(finished, DAILY_STOCK_METRICS)
    assert {(row["symbol"], row["date"]) for row in rows} == set(expected)
    assert len(rows) == 12_154
    assert {(row["symbol"], row["exchange"]) for row in rows} == EXCHANGES.items()
    names = ["daily_return", "daily_change", "volume_ratio", "volume_sma_15", "sma_5", "sma_15", "sma_30"]
    names += ["volatility_5", "volatility_15", "volatility_30"]
    wrong = [
        (row["symbol"], row["date"], name, row[name], expected[row["symbol"], row["date"]][name])
        for row in rows
        for name in names
        if not same(row[name], expected[row["symbol"], row["date"]][name])
    ]
    assert wrong == []


def raw_quotes(finished: Finished) -> dict[str, list[dict[str, Any]]]:
    store = FolderStore(finished.folder.path / "lake")
    quotes: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for manifest in raw_manifests(store, "stock-market-realtime"):
        for entry in manifest.objects:
            for row in decode_rows("realtime", entry.key, store.get(entry.key)).to_pylist():
                row["at"] = datetime.fromisoformat(row["event_time"]).replace(tzinfo=None)
                quotes[row["symbol"]].append(row)
    return quotes


def expected_window(quotes: list[dict[str, Any]], end: datetime) -> dict[str, Any]:
    """Compute one window from the quotes, the obvious way."""

    def last(minutes: int) -> list[dict[str, Any]]:
        return [quote for quote in quotes if end - timedelta(minutes=minutes) <= quote["at"] < end]

    window, hour = sorted(last(15), key=lambda quote: quote["at"]), last(60)
    prices = [quote["price"] for quote in window]
    volume = sum(quote["volume"] for quote in window)
    result: dict[str, Any] = {
        "open": prices[0],
        "high": max(prices),
        "low": min(prices),
        "close": prices[-1],
        "vwap_15m": sum(q["price"] * q["volume"] for q in window) / volume if volume else None,
        "volume_sum_15m": volume,
        "volume_sum_1h": sum(quote["volume"] for quote in hour),
        "record_count_15m": len(window),
        "record_count_1h": len(hour),
        "volatility_15m": statistics.stdev(prices) if len(prices) > 1 else None,
        "volatility_1h": statistics.stdev([q["price"] for q in hour]) if len(hour) > 1 else None,
        "first_offset": min(quote["kafka_offset"] for quote in hour),
        "last_offset": max(quote["kafka_offset"] for quote in hour),
        "last_event_time": window[-1]["at"],
    }
    for name, minutes in (("ma_5m", 5), ("ma_15m", 15), ("ma_30m", 30), ("ma_1h", 60)):
        found = [quote["price"] for quote in last(minutes)]
        result[name] = statistics.fmean(found) if found else None
    return result


def test_every_window_equals_a_computation_from_the_raw_quotes(finished: Finished) -> None:
    quotes = raw_quotes(finished)
    rows = warehouse(finished, REALTIME_STOCK_ANALYTICS)
    assert len(rows) == 27 * 5
    for row in rows:
        assert row["window_end"] - row["window_start"] == timedelta(minutes=15)
        for name, value in expected_window(quotes[row["symbol"]], row["window_end"]).items():
            relative = 1e-6 if name.startswith("volatility") else 1e-9
            is_same = same(row[name], value, relative) if isinstance(value, float) else row[name] == value
            assert is_same, (row["symbol"], row["window_start"], name, row[name], value)


def test_a_session_of_quotes_touches_exactly_the_real_bars(finished: Finished) -> None:
    for symbol, quotes in raw_quotes(finished).items():
        bar = next(row for row in sample_rows()[symbol] if row["Date"] == "2013-03-01")
        prices = [quote["price"] for quote in sorted(quotes, key=lambda quote: quote["at"])]
        found = (prices[0], max(prices), min(prices), prices[-1], sum(quote["volume"] for quote in quotes))
        assert found == (*(float(bar[name]) for name in ("Open", "High", "Low", "Close")), int(bar["Volume"]))


@pytest.mark.parametrize("table", [DAILY_STOCK_METRICS, REALTIME_STOCK_ANALYTICS], ids=lambda table: table.name)
def test_no_key_is_there_twice(finished: Finished, table: Any) -> None:
    keys = [tuple(row[name] for name in table.key) for row in warehouse(finished, table)]
    assert len(set(keys)) == len(keys)
