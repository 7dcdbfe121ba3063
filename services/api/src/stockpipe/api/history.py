"""All sessions of a symbol as arrays, the input of the analytics."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

from stockpipe.api.analytics.indicators import Floats
from stockpipe.common.contracts.tables import DAILY_STOCK_METRICS
from stockpipe.common.warehouse.reader import WarehouseReader

MOST_SESSIONS = 30_000
"""More than a century."""
_COLUMNS = ("date", "daily_open", "daily_high", "daily_low", "daily_close", "daily_volume", "adj_close")


@dataclass(frozen=True)
class History:
    """Sessions, oldest first. Prices are adjusted for splits and dividends; `daily_close` is the table's.

    Adjusted means times adj_close / daily_close of the session, over the same ratio of the last session: so the last
    prices are the table's, and older ones continue them downwards. Without an adjusted close they are the table's.
    """

    days: npt.NDArray[np.datetime64]
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    daily_close: Floats
    volume: Floats


def read_history(reader: WarehouseReader, symbol: str, until: date | None = None) -> History:
    """Return the sessions of a symbol, up to `until` if given."""
    condition, parameters = ("AND date <= ?", [symbol, until]) if until else ("", [symbol])
    found = reader.query(
        f"SELECT {', '.join(_COLUMNS)} FROM {reader.qualified(DAILY_STOCK_METRICS)} "
        f"WHERE symbol = ? {condition} ORDER BY date DESC LIMIT {MOST_SESSIONS}",
        parameters,
    ).rename_columns(list(_COLUMNS))
    days, *columns = (found[name].to_numpy()[::-1] for name in _COLUMNS)
    opened, high, low, close, volume, adjusted = (np.asarray(column, np.float64) for column in columns)
    factor = np.where(np.isnan(adjusted), 1.0, adjusted / close)
    factor = factor / factor[-1:]
    return History(
        days=np.asarray(days, "datetime64[D]"),
        open=opened * factor,
        high=high * factor,
        low=low * factor,
        close=close * factor,
        daily_close=close,
        volume=volume,
    )


def common_days(histories: Sequence[History]) -> list[Floats]:
    """Return the adjusted closes of the sessions that all of them have."""
    days = histories[0].days
    for each in histories[1:]:
        days = np.intersect1d(days, each.days, assume_unique=True)
    return [each.close[np.searchsorted(each.days, days)] for each in histories]
