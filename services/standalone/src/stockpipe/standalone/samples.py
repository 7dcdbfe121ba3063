"""A few rows of each warehouse table, for the eye."""

from rich.table import Table as RichTable

from stockpipe.common.contracts.tables import DAILY_STOCK_METRICS, REALTIME_STOCK_ANALYTICS, Table
from stockpipe.common.warehouse.reader import open_reader
from stockpipe.standalone.run_folder import RunFolder

_DAILY = (
    "symbol, date, daily_close, daily_volume, daily_return, sma_5, sma_15, sma_30, volatility_30, volume_ratio, "
    "volume_trend"
)
_REALTIME = (
    "symbol, window_start, open, high, low, close, vwap_15m, ma_15m, ma_1h, volatility_1h, volume_sum_15m, "
    "record_count_15m"
)
ROWS = 5


def sample_tables(folder: RunFolder) -> list[RichTable]:
    """Return five of the newest rows of each table, one a symbol."""
    return [_sample(folder, DAILY_STOCK_METRICS, _DAILY), _sample(folder, REALTIME_STOCK_ANALYTICS, _REALTIME)]


def _sample(folder: RunFolder, table: Table, columns: str) -> RichTable:
    with open_reader(folder.warehouse_url) as reader:
        name = reader.qualified(table)
        count = reader.query(f"SELECT COUNT(*) AS n FROM {name}").to_pylist()[0]["n"]
        rows = reader.query(
            f"SELECT {columns} FROM {name} "
            f"QUALIFY ROW_NUMBER() OVER (PARTITION BY symbol ORDER BY {table.key[1]} DESC) = 1 "
            f"ORDER BY symbol LIMIT {ROWS}"
        )
    shown = RichTable(title=f"{name}: {ROWS} of {count:,} rows", title_justify="left", show_edge=False, pad_edge=False)
    for column in rows.column_names:
        shown.add_column(column, justify="left" if column in ("symbol", "volume_trend") else "right")
    for row in rows.to_pylist():
        shown.add_row(*(_text(row[column]) for column in rows.column_names))
    return shown


def _text(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.4f}" if abs(value) < 1000 else f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
