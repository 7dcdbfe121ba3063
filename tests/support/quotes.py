"""Random quotes as they would arrive, and their windows computed naively: one window after another, from the quotes."""

import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

Row = dict[str, Any]

MIDNIGHT = datetime(2026, 11, 24, tzinfo=UTC)
MINUTE = timedelta(minutes=1)

ARROW_QUOTES = pa.schema(
    [
        ("symbol", pa.string()),
        ("event_time", pa.timestamp("us", tz="UTC")),
        ("price", pa.float64()),
        ("volume", pa.int64()),
        ("source", pa.string()),
        ("kafka_partition", pa.int32()),
        ("kafka_offset", pa.int64()),
    ]
)
QUOTES_DDL = (
    "symbol string, event_time timestamp, price double, volume bigint, source string, "
    "kafka_partition int, kafka_offset bigint"
)


@dataclass(frozen=True)
class Tick:
    """A quote as the transforms see it."""

    symbol: str
    event_time: datetime
    price: float
    volume: int
    source: str = "sample"
    kafka_partition: int = 0
    kafka_offset: int = 0


def ticks_table(ticks: Iterable[Tick]) -> pa.Table:
    return pa.Table.from_pylist([asdict(tick) for tick in ticks], ARROW_QUOTES)


def ticks_frame(spark: SparkSession, ticks: Iterable[Tick]) -> DataFrame:
    return spark.createDataFrame(ticks_table(ticks))


def random_arrivals(seed: int, symbols: int, *, most_delay: timedelta) -> list[Tick]:
    """Return quotes of several hours around midnight in the order of their arrival, which offsets follow.

    Each symbol has a price level and pace of its own. There are copies (with another price, which must not count),
    two sources at the same instant, spells without volume, gaps shorter and longer than an hour, and quotes exactly on
    the boundaries of windows. Nothing arrives later than `most_delay` after its time.
    """
    rng = random.Random(seed)
    arrivals = [
        arrival for number in range(symbols) for arrival in _symbol_arrivals(rng, f"^S{number}", number % 4, most_delay)
    ]
    arrivals.sort(key=lambda arrival: arrival[0])
    return numbered(tick for _arrived, tick in arrivals)


def numbered(ticks: Iterable[Tick]) -> list[Tick]:
    """Give each quote the next offset of its partition."""
    ends: dict[int, int] = {}
    result = []
    for tick in ticks:
        offset = ends.get(tick.kafka_partition, 1000)
        ends[tick.kafka_partition] = offset + 1
        result.append(replace(tick, kafka_offset=offset))
    return result


def _symbol_arrivals(
    rng: random.Random, symbol: str, partition: int, most_delay: timedelta
) -> list[tuple[datetime, Tick]]:
    level = rng.choice([0.01, 1.0, 187.25, 1e6])
    spread = level * rng.choice([1e-7, 1e-3, 0.1])
    pause = rng.choice([20, 60, 240])
    found = []
    for second in _seconds(rng, pause):
        at = MIDNIGHT - timedelta(hours=3) + timedelta(seconds=second)
        sources = ("sample", "replay") if rng.random() < 0.2 else ("sample",)
        for source in sources:
            price = level + rng.random() * spread
            volume = 0 if rng.random() < 0.3 or second % 7200 < 1800 else rng.randrange(1, 10_000)
            tick = Tick(symbol, at, price, volume, source, partition)
            found.append((at + rng.random() * most_delay, tick))
            if rng.random() < 0.15:
                copy = replace(tick, price=price * 3, volume=volume + 7)
                found.append((at + rng.random() * most_delay, copy))
    return found


def _seconds(rng: random.Random, pause: int) -> list[float]:
    seconds = {float(rng.choice([0, 300, 900, 3600]) * rng.randrange(12)) for _ in range(4)}
    at = rng.random() * 600
    while at < 6 * 3600:
        seconds.add(round(at, 3))
        at += rng.expovariate(1 / pause)
        if rng.random() < 0.01:
            at += rng.choice([16 * 60, 61 * 60, 130 * 60])
    return sorted(seconds)


def unique_ticks(ticks: Iterable[Tick]) -> list[Tick]:
    """Keep the first of each symbol, event time and source, by offset."""
    first: dict[tuple[str, datetime, str], Tick] = {}
    for tick in sorted(ticks, key=lambda tick: (tick.kafka_offset, tick.kafka_partition)):
        first.setdefault((tick.symbol, tick.event_time, tick.source), tick)
    return list(first.values())


def reference_windows(ticks: Sequence[Tick], slide_minutes: int) -> list[Row]:
    """Return the windows of the quotes by the definition in the specification."""
    slide = slide_minutes * MINUTE
    by_symbol: dict[str, list[Tick]] = {}
    for tick in unique_ticks(ticks):
        by_symbol.setdefault(tick.symbol, []).append(tick)
    rows = []
    for symbol, own in by_symbol.items():
        own.sort(key=lambda tick: (tick.event_time, tick.kafka_offset))
        end = datetime.min.replace(tzinfo=UTC) + (own[0].event_time - datetime.min.replace(tzinfo=UTC)) // slide * slide
        while end <= own[-1].event_time + 15 * MINUTE:
            if row := _reference_row(symbol, own, end):
                rows.append(row)
            end += slide
    return rows


def _reference_row(symbol: str, ticks: Sequence[Tick], end: datetime) -> Row | None:
    last = {
        minutes: [tick for tick in ticks if end - minutes * MINUTE <= tick.event_time < end]
        for minutes in (5, 15, 30, 60)
    }
    window, hour = last[15], last[60]
    if not window:
        return None
    volume = sum(tick.volume for tick in window)
    return {
        "symbol": symbol,
        "window_start": (end - 15 * MINUTE).replace(tzinfo=None),
        "window_end": end.replace(tzinfo=None),
        "open": window[0].price,
        "high": max(tick.price for tick in window),
        "low": min(tick.price for tick in window),
        "close": window[-1].price,
        "vwap_15m": math.fsum(tick.price * tick.volume for tick in window) / volume if volume else None,
        "ma_5m": _mean(last[5]),
        "ma_15m": _mean(window),
        "ma_30m": _mean(last[30]),
        "ma_1h": _mean(hour),
        "volatility_15m": _deviation(window),
        "volatility_1h": _deviation(hour),
        "volume_sum_15m": volume,
        "volume_sum_1h": sum(tick.volume for tick in hour),
        "record_count_15m": len(window),
        "record_count_1h": len(hour),
        "last_event_time": window[-1].event_time.replace(tzinfo=None),
        "first_offset": min(tick.kafka_offset for tick in hour),
        "last_offset": max(tick.kafka_offset for tick in hour),
        "kafka_partition": window[0].kafka_partition,
    }


def _mean(ticks: Sequence[Tick]) -> float | None:
    return math.fsum(tick.price for tick in ticks) / len(ticks) if ticks else None


def _deviation(ticks: Sequence[Tick]) -> float | None:
    if len(ticks) < 2:
        return None
    mean = math.fsum(tick.price for tick in ticks) / len(ticks)
    return math.sqrt(math.fsum((tick.price - mean) ** 2 for tick in ticks) / (len(ticks) - 1))
