"""The calls a source's plan still allows, kept on the lake: they survive restarts and replicas share them.

A process reserves calls in blocks: creating `state/budgets/<source>/<window>/<slot>.json` is the reservation, and of
several processes exactly one gets a slot. Nothing is ever given back, so a crash wastes calls and never overspends.
Limits shorter than a minute are kept by spacing the process's calls, in proportion to its share of the minute.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from stockpipe.common.clock import Clock
from stockpipe.common.errors import Unavailable
from stockpipe.common.lake import layout
from stockpipe.common.lake.store import ObjectExists, ObjectStore
from stockpipe.common.times import to_text
from stockpipe.producer.sources.errors import QuotaExhausted
from stockpipe.producer.sources.limits import MINUTE, Limit

UTC_ZONE = ZoneInfo("UTC")


@dataclass
class _Held:
    """What this process has of one shared limit's current window."""

    ends: datetime
    window: str = ""
    reserved: int = 0
    spent: int = 0
    next_slot: int = 0


class Budget:
    """Spends the calls of one source. One thread uses it at a time."""

    def __init__(
        self,
        source: str,
        limits: Sequence[Limit],
        store: ObjectStore,
        clock: Clock,
        writer: str,
        zone: ZoneInfo = UTC_ZONE,
    ) -> None:
        self._source = source
        self._store = store
        self._clock = clock
        self._writer = writer
        self._zone = zone
        short = [limit for limit in limits if not limit.is_shared]
        shared = {limit.seconds: limit for limit in limits if limit.is_shared}
        if short and MINUTE not in shared:
            shared[MINUTE] = Limit(min(limit.calls * MINUTE // limit.seconds for limit in short), MINUTE)
        self._held = {limit: _Held(clock.now()) for limit in sorted(shared.values(), key=lambda limit: -limit.seconds)}
        self._minute = shared.get(MINUTE)
        self._spacing = max((limit.seconds / limit.calls for limit in short), default=0.0)
        self._next_call = 0.0
        self._stop = threading.Event()

    @property
    def limit(self) -> int | None:
        """Return how many calls the longest window allows, None if there is no limit."""
        return next((limit.calls for limit in self._held), None)

    def left(self) -> int:
        """Return how many calls the longest window still allows, those of other processes' blocks not counted."""
        if not self._held:
            return 2**31
        limit, held = next(iter(self._held.items()))
        try:
            self._enter(limit, held)
        except Unavailable:
            return 0
        return held.reserved - held.spent + (limit.blocks - held.next_slot) * limit.block

    def acquire(self, patience: float) -> None:
        """Take one call, waiting at most `patience` seconds for its turn.

        Raises:
            QuotaExhausted: no call is allowed within that time; says until when, or that the state can't be reached.
        """
        deadline = self._clock.monotonic() + patience
        while True:
            try:
                full = self._reserve()
            except Unavailable as error:
                raise QuotaExhausted(self._source, None, f"the budget's state can't be reached: {error}") from error
            if full is None:
                break
            limit, ends = full
            wait = (ends - self._clock.now()).total_seconds()
            if self._clock.monotonic() + wait > deadline:
                raise QuotaExhausted(
                    self._source, None, f"all {limit.calls} calls of {limit.seconds} s are used until {to_text(ends)}"
                )
            self._wait(wait)
        wait = self._next_call - self._clock.monotonic()
        if wait > 0:
            if self._clock.monotonic() + wait > deadline:
                raise QuotaExhausted(self._source, None, f"the next call's turn is in {wait:.1f} s")
            self._wait(wait)
        for held in self._held.values():
            held.spent += 1
        self._next_call = self._clock.monotonic() + self._spacing / self._share()

    def _wait(self, seconds: float) -> None:
        self._clock.wait(seconds, self._stop)

    def _share(self) -> float:
        """Return this process's part of the minute's calls: two that hold half each pace at half the rate."""
        if self._minute is None:
            return 1.0
        return min(1.0, self._held[self._minute].reserved / (self._minute.blocks * self._minute.block))

    def _reserve(self) -> tuple[Limit, datetime] | None:
        """Make sure that every shared window has a call for us; return the one that has none, and its end."""
        for limit, held in self._held.items():
            self._enter(limit, held)
            while held.spent >= held.reserved:
                if held.next_slot >= limit.blocks:
                    return limit, held.ends
                if self._take(held):
                    held.reserved += limit.block
        return None

    def _enter(self, limit: Limit, held: _Held) -> None:
        window, ends = limit.window(self._clock.now(), self._zone)
        if window == held.window:
            return
        taken = sum(1 for _ in self._store.list(layout.budget_window_prefix(self._source, window)))
        held.window, held.ends, held.reserved, held.spent, held.next_slot = window, ends, 0, 0, taken

    def _take(self, held: _Held) -> bool:
        slot = held.next_slot
        held.next_slot += 1
        record = {"writer": self._writer, "at": to_text(self._clock.now())}
        try:
            self._store.create(
                layout.budget_block(self._source, held.window, slot), msgspec.json.encode(record) + b"\n"
            )
        except ObjectExists:
            return False
        if slot == 0 and held.window.startswith("day="):
            self._forget_old_windows()
        return True

    def _forget_old_windows(self) -> None:
        day = (self._clock.now() - timedelta(days=2)).strftime("%Y%m%d")
        for info in self._store.list(layout.budget_prefix(self._source)):
            if layout.budget_window_day(info.key) < day:
                self._store.delete(info.key)
