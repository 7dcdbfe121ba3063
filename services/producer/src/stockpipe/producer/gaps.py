"""`stockpipe-producer gaps`: the sessions that the calendar expects and the lake doesn't have."""

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Literal

import msgspec

from stockpipe.common import calendar
from stockpipe.common.clock import Clock
from stockpipe.common.lake import layout
from stockpipe.common.lake.manifests import raw_manifests
from stockpipe.common.lake.raw_rows import decode_rows
from stockpipe.common.lake.store import ObjectExists, ObjectStore
from stockpipe.common.times import to_text
from stockpipe.producer.batch import BatchRun
from stockpipe.producer.sources.base import BarQuery
from stockpipe.producer.sources.fetching import NotFetched
from stockpipe.producer.symbols import Instrument

Reason = Literal["not_fetched", "source_down", "no_trade", "not_final", "delisted"]
DELISTED_AFTER_SESSIONS = 5
DELISTED_BY_SOURCES = 2
"""Sources must agree: rate limits and wrong ranges look like delistings (docs/sources.md)."""


@dataclass(frozen=True)
class Gap:
    """Sessions `first` to `last`, neighbours in the calendar, that are missing for the same reason."""

    symbol: str
    first: date
    last: date
    sessions: int
    reason: Reason


@dataclass
class SymbolGaps:
    """One symbol's account: expected = present + the sessions of its gaps."""

    symbol: str
    expected: int = 0
    present: int = 0
    gaps: list[Gap] = field(default_factory=list)


class Sessions:
    """What the lake has of each symbol's sessions: final bars, others, and known-empty ones."""

    def __init__(self, store: ObjectStore, topic: str, symbols: Iterable[str], first: date, last: date) -> None:
        self._store = store
        self.final: dict[str, set[str]] = {symbol: set() for symbol in symbols}
        self.unfinished: dict[str, set[str]] = {symbol: set() for symbol in self.final}
        self.empty = {symbol: self._known_empty(symbol) for symbol in self.final}
        self.delisted = {symbol: self._delisted(symbol) for symbol in self.final}
        low, high = f"{first}T00:00:00.000Z", f"{last}T00:00:00.000Z"
        for manifest in raw_manifests(store, topic):
            if self.final.keys().isdisjoint(manifest.symbols) or not manifest.min_event_time:
                continue
            if manifest.min_event_time > high or (manifest.max_event_time or "") < low:
                continue
            for entry in manifest.objects:
                rows = decode_rows("batch", entry.key, store.get(entry.key)).select(["symbol", "date", "is_final"])
                for row in rows.to_pylist():
                    kept = self.final if row["is_final"] else self.unfinished
                    if row["symbol"] in kept:
                        kept[row["symbol"]].add(row["date"])

    def remember_empty(self, symbol: str, day: date, source: str, at: str) -> None:
        """Remember that a source, asked after the session, had no bar of it."""
        with contextlib.suppress(ObjectExists):
            record = msgspec.json.encode({"source": source, "at": at}) + b"\n"
            self._store.create(layout.empty_session(symbol, day), record)

    def remember_delisted(self, symbol: str, since: date, sources: Sequence[str], at: str) -> None:
        """Remember that these sources, asked after the last of several sessions, have nothing of the symbol since."""
        with contextlib.suppress(ObjectExists):
            record = msgspec.json.encode({"sources": sources, "at": at}) + b"\n"
            self._store.create(layout.delisted(symbol, since), record)

    def _delisted(self, symbol: str) -> str:
        """Return the first session without the symbol, or a text that is greater than every date."""
        prefix = layout.delisted_prefix(symbol)
        found = [info.key.removeprefix(prefix).removesuffix(".json") for info in self._store.list(prefix)]
        return min(found, default="~")

    def _known_empty(self, symbol: str) -> set[str]:
        prefix = layout.empty_prefix(symbol)
        return {info.key.removeprefix(prefix).removesuffix(".json") for info in self._store.list(prefix)}


def find_gaps(
    instruments: Sequence[Instrument],
    sessions: Sessions,
    first: date,
    last: date,
    settled_by: datetime,
    sources_down: bool,
) -> list[SymbolGaps]:
    """Return each symbol's account; a holiday is no session and so no gap.

    Args:
        instruments: symbols with their exchanges.
        sessions: what the lake has.
        first: first day to look at.
        last: last day to look at.
        settled_by: a session counts as expected if it closed by then.
        sources_down: whether every source is cooling down, so that nothing could be fetched.
    """
    found = []
    for each in instruments:
        account = SymbolGaps(each.symbol)
        marks: list[tuple[date, Reason | None]] = []
        for session in calendar.sessions(each.exchange, first, last):
            if session.close > settled_by:
                continue
            day = session.day.isoformat()
            reason: Reason | None = "source_down" if sources_down else "not_fetched"
            if day in sessions.final[each.symbol]:
                reason = None
            elif day >= sessions.delisted[each.symbol]:
                reason = "delisted"
            elif day in sessions.empty[each.symbol]:
                reason = "no_trade"
            elif day in sessions.unfinished[each.symbol]:
                reason = "not_final"
            marks.append((session.day, reason))
        account.expected = len(marks)
        account.present = sum(reason is None for _day, reason in marks)
        for why, group in groupby(marks, key=lambda mark: mark[1]):
            days = [day for day, _reason in group]
            if why is not None:
                account.gaps.append(Gap(each.symbol, days[0], days[-1], len(days), why))
        found.append(account)
    return found


def fill(
    accounts: Sequence[SymbolGaps], instruments: Sequence[Instrument], sessions: Sessions, run: BatchRun, clock: Clock
) -> None:
    """Fetch only what is missing, and remember the sessions of which a source that answered has no bar."""
    by_symbol = {each.symbol: each for each in instruments}
    for account in accounts:
        each = by_symbol[account.symbol]
        for gap in account.gaps:
            if gap.reason in ("no_trade", "delisted"):
                continue
            failed = dict(run.summary.failed)
            fetched = run.send(BarQuery(each.symbol, gap.first, gap.last, each.exchange, each.currency))
            if isinstance(fetched, NotFetched):
                if _is_delisted(gap, fetched, sessions):
                    sessions.remember_delisted(each.symbol, gap.first, fetched.nothing_by, to_text(clock.now()))
                    run.summary.failed = failed
                    continue
                if fetched.empty_by is None:
                    continue
                source, brought = fetched.empty_by, set()
                run.summary.failed = failed
            elif fetched.parsed.refused:
                continue
            else:
                source, brought = fetched.source, {bar.date for bar in fetched.parsed.bars}
            for session in calendar.sessions(each.exchange, gap.first, gap.last):
                if session.day.isoformat() not in brought:
                    sessions.remember_empty(each.symbol, session.day, source, to_text(clock.now()))


def _is_delisted(gap: Gap, fetched: NotFetched, sessions: Sessions) -> bool:
    present = sessions.final[gap.symbol] | sessions.unfinished[gap.symbol]
    comes_back = max(present, default="") > gap.last.isoformat()
    agreed = len(fetched.nothing_by) >= DELISTED_BY_SOURCES
    return agreed and gap.sessions >= DELISTED_AFTER_SESSIONS and not comes_back


def settled_before(now: datetime, settle_minutes: float) -> datetime:
    """Return the close by which a session must have ended to be expected."""
    return now - timedelta(minutes=settle_minutes)
