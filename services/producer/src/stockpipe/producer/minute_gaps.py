"""`stockpipe-producer gaps --minutes`: the minutes of trading of which the lake has no quote."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import groupby

import msgspec

from stockpipe.common import calendar
from stockpipe.common.lake import layout
from stockpipe.common.lake.manifests import raw_manifests
from stockpipe.common.lake.raw_rows import decode_rows
from stockpipe.common.lake.store import ObjectStore
from stockpipe.common.times import from_text, to_text
from stockpipe.producer.gaps import Reason
from stockpipe.producer.symbols import Instrument

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class MinuteGap:
    """Minutes of one session, from the one that begins at `first` to the one that begins at `last`, UTC."""

    symbol: str
    day: date
    first: datetime
    last: datetime
    minutes: int
    reason: Reason


@dataclass
class MinuteAccount:
    """One symbol's account: expected = present + the minutes of its gaps."""

    symbol: str
    expected: int = 0
    present: int = 0
    gaps: list[MinuteGap] = field(default_factory=list)


class Minutes:
    """Which minutes the lake has quotes of, by symbol, and which are known to be empty."""

    def __init__(self, store: ObjectStore, topic: str, symbols: Iterable[str], first: date, last: date) -> None:
        self._store = store
        self.present: dict[str, set[datetime]] = {symbol: set() for symbol in symbols}
        self.empty = {symbol: self._known_empty(symbol, first, last) for symbol in self.present}
        # A session may begin on the day before its date, in UTC, and end on the day after.
        low, high = f"{first - timedelta(days=1)}T00:00:00.000Z", f"{last + timedelta(days=2)}T00:00:00.000Z"
        for manifest in raw_manifests(store, topic):
            if self.present.keys().isdisjoint(manifest.symbols) or not manifest.min_event_time:
                continue
            if manifest.min_event_time > high or (manifest.max_event_time or "") < low:
                continue
            for entry in manifest.objects:
                rows = decode_rows("realtime", entry.key, store.get(entry.key)).select(["symbol", "event_time"])
                for symbol, at in zip(*(column.to_pylist() for column in rows.columns), strict=True):
                    if symbol in self.present:
                        self.present[symbol].add(from_text(at).replace(second=0, microsecond=0))

    def remember_empty(self, symbol: str, day: date, minutes: Sequence[datetime], at: str) -> None:
        """Remember that a source, asked after the session, had no trade in these minutes."""
        self._store.create(layout.empty_minutes(symbol, day, at), msgspec.json.encode(list(map(to_text, minutes))))

    def _known_empty(self, symbol: str, first: date, last: date) -> set[datetime]:
        prefix = layout.empty_minutes_prefix(symbol)
        keys = [info.key for info in self._store.list(prefix)]
        days = [key for key in keys if first.isoformat() <= key.removeprefix(prefix)[:10] <= last.isoformat()]
        return {from_text(at) for key in days for at in msgspec.json.decode(self._store.get(key), type=list[str])}


def find_minute_gaps(
    instruments: Sequence[Instrument],
    minutes: Minutes,
    first: date,
    last: date,
    settled_by: datetime,
    source_is_down: bool,
) -> list[MinuteAccount]:
    """Return each symbol's account over the sessions `first` to `last` that closed by `settled_by`."""
    found = []
    for each in instruments:
        account = MinuteAccount(each.symbol)
        for session in calendar.sessions(each.exchange, first, last):
            if session.close > settled_by:
                continue
            expected = calendar.trading_minutes(each.exchange, session)
            marks = [(minute, _reason(minute, minutes, each.symbol, source_is_down)) for minute in expected]
            account.expected += len(marks)
            account.present += sum(reason is None for _minute, reason in marks)
            for why, group in groupby(marks, key=lambda mark: mark[1]):
                missing = [minute for minute, _reason in group]
                if why is not None:
                    gap = MinuteGap(each.symbol, session.day, missing[0], missing[-1], len(missing), why)
                    account.gaps.append(gap)
        found.append(account)
    return found


def _reason(minute: datetime, minutes: Minutes, symbol: str, source_is_down: bool) -> Reason | None:
    if minute in minutes.present[symbol]:
        return None
    if minute in minutes.empty[symbol]:
        return "no_trade"
    return "source_down" if source_is_down else "not_fetched"
