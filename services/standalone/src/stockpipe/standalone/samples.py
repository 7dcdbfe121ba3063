"""A few rows of each warehouse table, for the eye."""

from rich import box
from rich.table import Table as RichTable

from stockpipe.common.contracts.tables import DAILY_STOCK_METRICS, REALTIME_STOCK_ANALYTICS, Table
from stockpipe.common.warehouse.reader import open_reader
from stockpipe.standalone.run_folder import RunFolder

_DAILY = {
    "symbol": "symbol",
    "date": "date",
    "daily_close": "close",
    "daily_return": "return",
    "sma_5": "sma 5",
    "sma_30": "sma 30",
    "volatility_30": "volatility 30",
    "volume_ratio": "vol. ratio",
    "volume_trend": "trend",
}
_REALTIME = {
    "symbol": "symbol",
    "STRFTIME(window_start, '%m-%d %H:%M')": "window",
    "open": "open",
    "close": "close",
    "vwap_15m": "vwap 15m",
    "ma_1h": "mean 1h",
    "volatility_1h": "dev. 1h",
    "record_count_15m": "quotes",
}
ROWS = 5


def sample_tables(folder: RunFolder) -> list[RichTable]:
    """Return five rows of each table, one a symbol: the newest, of the windows the newest full one."""
    return [
        _sample(folder, DAILY_STOCK_METRICS, _DAILY, "date DESC"),
        _sample(folder, REALTIME_STOCK_ANALYTICS, _REALTIME, "record_count_15m DESC, window_start DESC"),
    ]


def _sample(folder: RunFolder, table: Table, columns: dict[str, str], order: str) -> RichTable:
    with open_reader(folder.warehouse) as reader:
        name = reader.qualified(table)
        count = reader.query(f"SELECT COUNT(*) AS n FROM {name}").to_pylist()[0]["n"]
        rows = reader.query(
            f"SELECT {', '.join(columns)} FROM {name} "
            f"QUALIFY ROW_NUMBER() OVER (PARTITION BY symbol ORDER BY {order}) = 1 "
            f"ORDER BY symbol LIMIT {ROWS}"
        )
    title = f"{name}: {ROWS} of {count:,} rows"
    shown = RichTable(title=title, title_justify="left", box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for heading in columns.values():
        shown.add_column(heading, justify="left" if heading in ("symbol", "trend") else "right")
    for row in rows.to_pylist():
        shown.add_row(*(_text(value) for value in row.values()))
    return shown


def _text(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.4f}" if abs(value) < 1000 else f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
