"""The warehouse tables, column by column: one definition for Spark's output, the loader's DDL and the auditor."""

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from stockpipe.common.contracts.manifests import DatasetName

ColumnType = Literal["string", "double", "bigint", "int", "boolean", "date", "timestamp"]

TRANSFORM_VERSION = 3
"""Raised when a transform's result for the same input changes; the first part of every row's version."""

_ARROW: dict[ColumnType, pa.DataType] = {
    "string": pa.string(),
    "double": pa.float64(),
    "bigint": pa.int64(),
    "int": pa.int32(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
}


@dataclass(frozen=True)
class Column:
    """One column; `meaning` says what it holds and in which unit. Timestamps are UTC without a zone."""

    name: str
    type: ColumnType
    meaning: str
    nullable: bool = True


@dataclass(frozen=True)
class Table:
    """A warehouse table. A row replaces another of the same `key` only if its `version` columns are greater."""

    database: str
    name: str
    key: tuple[str, ...]
    version: tuple[str, ...]
    columns: tuple[Column, ...]

    @property
    def column_names(self) -> tuple[str, ...]:
        """Return the names in table order."""
        return tuple(column.name for column in self.columns)

    @property
    def arrow_schema(self) -> pa.Schema:
        """Return the table's schema for Arrow and Parquet."""
        return pa.schema([pa.field(c.name, _ARROW[c.type], nullable=c.nullable) for c in self.columns])


def _required(name: str, type_: ColumnType, meaning: str) -> Column:
    return Column(name, type_, meaning, nullable=False)


_BATCH = (
    _required("batch_id", "string", "Batch that computed the row"),
    _required("transform_version", "int", "Version of the transforms"),
    _required("processed_at", "timestamp", "When the batch was processed, UTC"),
)

DAILY_STOCK_METRICS = Table(
    database="STOCKMARKETBATCH",
    name="DAILY_STOCK_METRICS",
    key=("symbol", "date"),
    version=("transform_version", "source_fetched_at"),
    columns=(
        _required("symbol", "string", "Ticker"),
        _required("date", "date", "Exchange session date"),
        _required("daily_open", "double", "First price, in shares of today as actions_as_of says"),
        _required("daily_high", "double", "Highest price, in the same shares"),
        _required("daily_low", "double", "Lowest price, in the same shares"),
        _required("daily_close", "double", "Last price, in the same shares"),
        _required("daily_volume", "bigint", "Shares traded, in the same shares"),
        Column("adj_close", "double", "Close adjusted for splits and dividends, as of actions_as_of"),
        Column("daily_change", "double", "Close minus previous close"),
        Column("daily_change_pct", "double", "daily_change in percent of the previous close"),
        Column("daily_return", "double", "Adjusted close over previous adjusted close, minus 1"),
        Column("sma_5", "double", "Mean close of the last 5 sessions"),
        Column("sma_15", "double", "Mean close of the last 15 sessions"),
        Column("sma_30", "double", "Mean close of the last 30 sessions"),
        Column("volatility_5", "double", "Sample deviation of the last 5 daily returns"),
        Column("volatility_15", "double", "Sample deviation of the last 15 daily returns"),
        Column("volatility_30", "double", "Sample deviation of the last 30 daily returns"),
        Column("volume_sma_15", "double", "Mean volume of the last 15 sessions"),
        Column("volume_ratio", "double", "Volume over volume_sma_15"),
        Column(
            "volume_trend",
            "string",
            "rising: mean volume of the last 5 sessions above 1.1 x volume_sma_15; falling: below 0.9 x; else flat",
        ),
        _required("is_final", "boolean", "Whether the source calls the bar final"),
        _required("source_fetched_at", "timestamp", "Newest fetch among the bars and actions that contribute, UTC"),
        *_BATCH,
        # New columns come last, as ALTER TABLE adds them.
        Column(
            "exchange", "string", "Exchange of the primary listing, ISO 10383 MIC; null where the source doesn't tell"
        ),
        Column(
            "split_factor", "double", "Shares of today a share in the source's prices has become by splits applied here"
        ),
        Column("actions_as_of", "date", "Ex-date of the newest split or dividend applied here; null where none was"),
    ),
)

REALTIME_STOCK_ANALYTICS = Table(
    database="STOCKMARKETSTREAM",
    name="REALTIME_STOCK_ANALYTICS",
    key=("symbol", "window_start"),
    version=("transform_version", "last_offset", "record_count_1h"),
    columns=(
        _required("symbol", "string", "Ticker"),
        _required("window_start", "timestamp", "window_end minus 15 minutes, UTC, included"),
        _required("window_end", "timestamp", "End of the window, UTC, excluded"),
        _required("open", "double", "First price of the window"),
        _required("high", "double", "Highest price of the window"),
        _required("low", "double", "Lowest price of the window"),
        _required("close", "double", "Last price of the window"),
        Column("vwap_15m", "double", "Volume-weighted mean price of the window; null without volume"),
        Column("ma_5m", "double", "Mean quote price of the last 5 minutes before window_end"),
        _required("ma_15m", "double", "Mean quote price of the last 15 minutes"),
        _required("ma_30m", "double", "Mean quote price of the last 30 minutes"),
        _required("ma_1h", "double", "Mean quote price of the last 60 minutes"),
        Column("volatility_15m", "double", "Sample deviation of prices, last 15 minutes; null below 2 quotes"),
        Column("volatility_1h", "double", "Sample deviation of prices, last 60 minutes; null below 2 quotes"),
        _required("volume_sum_15m", "bigint", "Shares traded in the last 15 minutes"),
        _required("volume_sum_1h", "bigint", "Shares traded in the last 60 minutes"),
        _required("record_count_15m", "bigint", "Quotes in the last 15 minutes"),
        _required("record_count_1h", "bigint", "Quotes in the last 60 minutes"),
        _required("last_event_time", "timestamp", "Newest quote of the window, UTC"),
        _required("first_offset", "bigint", "Lowest Kafka offset among the quotes of the last 60 minutes"),
        _required("last_offset", "bigint", "Highest Kafka offset among the quotes of the last 60 minutes"),
        _required("kafka_partition", "int", "Partition of the symbol"),
        *_BATCH,
    ),
)

LOADED_BATCHES = "LOADED_BATCHES"


@dataclass(frozen=True)
class Dataset:
    """A processed dataset: where its files lie and which table they are loaded into."""

    name: DatasetName
    prefix: str
    table: Table


DATASETS: dict[DatasetName, Dataset] = {
    "daily": Dataset("daily", "processed/historical", DAILY_STOCK_METRICS),
    "realtime": Dataset("realtime", "processed/realtime", REALTIME_STOCK_ANALYTICS),
    "realtime_live": Dataset("realtime_live", "processed/realtime_live", REALTIME_STOCK_ANALYTICS),
}
