"""What every source's daily rows must pass before they are bars; what doesn't is counted with its reason."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise

from stockpipe.common import calendar
from stockpipe.common.contracts import daily_bar
from stockpipe.common.contracts.corporate_action import CorporateAction
from stockpipe.common.contracts.daily_bar import DailyBar
from stockpipe.common.contracts.fields import MAX_PRICE, MAX_VOLUME
from stockpipe.common.times import from_text
from stockpipe.producer.sources.base import BarQuery, Fetch, Parsed
from stockpipe.producer.sources.errors import BadPayload, NoData
from stockpipe.producer.symbols import Instrument

_MINOR_UNITS = {"GBp": ("GBP", 100.0), "GBX": ("GBP", 100.0), "ZAc": ("ZAR", 100.0), "ILA": ("ILS", 100.0)}


@dataclass(frozen=True)
class BarRow:
    """One row of a source's answer, in major currency units; None where the source has no number."""

    day: date
    open: float | None
    high: float | None
    low: float | None
    close: float | None
    volume: int | None
    adj_close: float | None = None
    dividend: float | None = None
    split_ratio: float | None = None


def major_unit(source: str, asked: BarQuery | Instrument, currency: str | None) -> tuple[str, float]:
    """Return the ISO 4217 code of a source's currency and what its prices are to be divided by (pence: 100).

    Raises:
        BadPayload: no currency, or another one than SYMBOLS_FILE gives.
    """
    code, divisor = _MINOR_UNITS.get(currency or "", (currency or "", 1.0))
    if not code or (asked.currency is not None and code != asked.currency):
        raise BadPayload(source, asked.symbol, f"currency {currency!r}, expected {asked.currency or 'one'}")
    return code, divisor


class RowReader:
    """Takes the rows of one answer and gives its bars and actions."""

    def __init__(self, source: str, query: BarQuery, fetch: Fetch, currency: str, settle: timedelta) -> None:
        self._source = source
        self._query = query
        self._fetch = fetch
        self._currency = currency
        self._now = from_text(fetch.at)
        self._settle = settle
        self._today = self._now.astimezone(calendar.time_zone(query.exchange)).date()
        self._sessions = {each.day: each for each in calendar.sessions(query.exchange, query.first, query.last)}
        self._bars: dict[date, DailyBar] = {}
        self._actions: list[CorporateAction] = []
        self._refused: Counter[str] = Counter()

    def add(self, row: BarRow) -> None:
        """Take one row; of several of one day the first counts."""
        if not self._query.first <= row.day <= self._query.last:
            self._refused["outside_query"] += 1
            return
        if row.day in self._bars:
            self._refused["duplicate"] += 1
            return
        if row.day > self._today:
            self._refused["future"] += 1
            return
        self._add_actions(row)
        session = self._sessions.get(row.day)
        if session is None:
            self._refused["no_session"] += 1
            return
        if row.volume is None or not all(
            price is not None and 0 < price <= MAX_PRICE for price in (row.open, row.high, row.low, row.close)
        ):
            self._refused["no_number"] += 1
            return
        bar = self._bar(row, is_final=self._now >= session.close + self._settle)
        if not 0 <= bar.volume <= MAX_VOLUME or daily_bar.fault(bar):
            self._refused["out_of_bounds"] += 1
            return
        self._bars[row.day] = bar

    def parsed(self) -> Parsed:
        """Return what was understood, oldest first.

        Raises:
            NoData: there was no row.
            BadPayload: there were rows, and none of them is a bar.
        """
        reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(self._refused.items()))
        if not self._bars:
            query = self._query
            if set(self._refused) - {"outside_query", "future"}:
                raise BadPayload(
                    self._source, query.symbol, f"no row of {query.first}..{query.last} is a bar: {reasons}"
                )
            raise NoData(self._source, query.symbol, f"no bar in {query.first}..{query.last}", is_empty=True)
        bars = [self._bars[day] for day in sorted(self._bars)]
        return Parsed(bars, self._actions, dict(self._refused))

    def _bar(self, row: BarRow, is_final: bool) -> DailyBar:
        return DailyBar(
            symbol=self._query.symbol,
            date=row.day.isoformat(),
            open=row.open or 0.0,
            high=row.high or 0.0,
            low=row.low or 0.0,
            close=row.close or 0.0,
            adj_close=row.adj_close,
            volume=row.volume or 0,
            dividend=row.dividend,
            split_ratio=row.split_ratio,
            currency=self._currency,
            source=self._source,
            origin="backfill",
            is_final=is_final,
            fetched_at=self._fetch.at,
            fetch_id=self._fetch.id,
            batch_id=self._fetch.batch_id,
        )

    def _add_actions(self, row: BarRow) -> None:
        if row.split_ratio and row.split_ratio != 1:
            self._actions.append(self._action(row, split=True))
        if row.dividend:
            self._actions.append(self._action(row, split=False))

    def _action(self, row: BarRow, split: bool) -> CorporateAction:
        return CorporateAction(
            symbol=self._query.symbol,
            ex_date=row.day.isoformat(),
            kind="split" if split else "dividend",
            ratio=row.split_ratio if split else None,
            amount=None if split else row.dividend,
            currency=self._currency,
            source=self._source,
            origin="backfill",
            fetched_at=self._fetch.at,
            fetch_id=self._fetch.id,
            batch_id=self._fetch.batch_id,
        )


def jump_fault(bars: Sequence[DailyBar], actions: Sequence[CorporateAction], applies_splits: bool) -> str | None:
    """Return what is wrong with how prices jump from bar to bar; None where nothing is.

    A jump by a hundred is another unit (pence for pounds). If the source applies a split to all bars before it, prices
    don't jump on its ex-date: a jump by the split's ratio means that it isn't applied, by its inverse that it is twice.
    """
    splits = {action.ex_date: action.ratio for action in actions if action.ratio is not None}
    for before, bar in pairwise(bars):
        jump = before.close / bar.open
        ratio = splits.get(bar.date)
        if ratio is None and (80 < jump < 125 or 0.008 < jump < 0.0125):
            return f"prices jump by {1 / jump:g} from {before.date} to {bar.date}: another unit"
        if ratio is None or not applies_splits or 1 / 1.5 < ratio < 1.5:
            continue
        for factor, what in ((ratio, "not applied"), (1 / ratio, "applied twice")):
            if 0.8 < jump / factor < 1.25:
                return f"the split {ratio:g}:1 of {bar.date} is {what} to the bars before it"
    return None
