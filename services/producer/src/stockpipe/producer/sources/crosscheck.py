"""Two sources' bars of the same symbol, side by side: differences are reported, never averaged away."""

from collections.abc import Sequence
from dataclasses import dataclass

from stockpipe.common.contracts.corporate_action import CorporateAction
from stockpipe.common.contracts.daily_bar import DailyBar

TOLERANCE = {"open": 0.01, "high": 0.01, "low": 0.01, "close": 0.005, "volume": 0.10}
"""Relative. Sources differ in which venues and which auctions they count, most of all in the volume."""


@dataclass(frozen=True)
class Difference:
    """One field of one bar that differs by more than its tolerance; or `missing`: only one source has the bar."""

    symbol: str
    date: str
    field: str
    values: dict[str, float | None]


def compare(
    ours: Sequence[DailyBar], others: Sequence[DailyBar], other: str, actions: Sequence[CorporateAction]
) -> list[Difference]:
    """Return where the final bars of two sources differ.

    Bars before a split aren't compared: one source may have applied it to them, the other not.
    """
    since = max((action.ex_date for action in actions if action.kind == "split"), default="")
    left = {bar.date: bar for bar in ours if bar.is_final and bar.date >= since}
    right = {bar.date: bar for bar in others if bar.is_final and bar.date >= since}
    found = []
    for day in sorted(left.keys() | right.keys()):
        first, second = left.get(day), right.get(day)
        if first is None or second is None:
            closes = {ours[0].source: first.close if first else None, other: second.close if second else None}
            found.append(Difference(ours[0].symbol, day, "missing", closes))
            continue
        for field, tolerance in TOLERANCE.items():
            a, b = float(getattr(first, field)), float(getattr(second, field))
            if abs(a - b) > tolerance * max(abs(a), abs(b)):
                found.append(Difference(first.symbol, day, field, {first.source: a, other: b}))
    return found
