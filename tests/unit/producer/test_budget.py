import re
import threading
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stockpipe.common.clock import SystemClock
from stockpipe.common.lake.folder import FolderStore
from stockpipe.common.lake.store import ObjectStore
from stockpipe.producer.sources.budget import Budget
from stockpipe.producer.sources.errors import QuotaExhausted
from stockpipe.producer.sources.limits import DAY, MINUTE, Limit, parse_limits
from support.clocks import ManualClock
from support.memory_store import MemoryStore
from support.outages import FlakyStore

FREE = (Limit(1, 2), Limit(25, DAY))
START = datetime(2026, 11, 23, 14, 30, tzinfo=UTC)


def budget(store: ObjectStore, clock: ManualClock, limits: tuple[Limit, ...] = FREE, zone: str = "UTC") -> Budget:
    return Budget("alphavantage", limits, store, clock, "test", ZoneInfo(zone))


def spend(each: Budget, patience: float = 3600.0) -> int:
    """Spend until the budget refuses; return how many calls it gave."""
    calls = 0
    try:
        while True:
            each.acquire(patience)
            calls += 1
    except QuotaExhausted:
        return calls


def test_the_free_plan_gives_25_calls_a_day_two_seconds_apart() -> None:
    clock = ManualClock(START)
    each = budget(MemoryStore(), clock)
    assert each.left() == 25
    times = []
    for _ in range(25):
        each.acquire(3600)
        times.append(clock.monotonic())
    assert min(b - a for a, b in pairwise(times)) >= 2
    assert each.left() == 0
    with pytest.raises(QuotaExhausted, match=r"all 25 calls of 86400 s are used until 2026-11-24T00:00:00.000Z"):
        each.acquire(3600)


def test_a_restart_in_the_middle_of_the_day_goes_on_with_what_is_left() -> None:
    store, clock = MemoryStore(), ManualClock(START)
    first = budget(store, clock)
    for _ in range(10):
        first.acquire(3600)
    restarted = budget(store, clock)
    assert restarted.left() == 15
    assert spend(restarted) == 15


def test_the_day_renews_in_the_reset_zone() -> None:
    store, clock = MemoryStore(), ManualClock(datetime(2026, 11, 24, 4, 0, tzinfo=UTC))
    each = budget(store, clock, zone="America/New_York")
    assert spend(each, patience=600) == 25
    with pytest.raises(QuotaExhausted, match="until 2026-11-24T05:00:00"):
        each.acquire(60)
    clock.advance(3600)
    assert each.left() == 25


def test_a_full_minute_is_waited_for_and_a_full_day_is_not() -> None:
    clock = ManualClock(START)
    each = budget(MemoryStore(), clock, (Limit(4, MINUTE), Limit(10, DAY)))
    assert spend(each, patience=60) == 10
    assert clock.now() == datetime(2026, 11, 23, 14, 32, tzinfo=UTC)


def test_a_call_whose_turn_is_too_late_is_refused_at_once() -> None:
    clock = ManualClock(START)
    each = budget(MemoryStore(), clock)
    each.acquire(0)
    before = clock.monotonic()
    with pytest.raises(QuotaExhausted, match=r"turn is in 4\.0 s"):
        each.acquire(1)
    assert clock.monotonic() == before


def test_who_holds_half_of_the_minute_calls_half_as_often() -> None:
    store, clock = MemoryStore(), ManualClock(START)
    limits = (Limit(1, 1), Limit(30, MINUTE))
    alone, other = budget(store, clock, limits), budget(store, clock, limits)
    alone.acquire(0)
    other.acquire(0)
    with pytest.raises(QuotaExhausted, match=r"turn is in 2\.0 s"):
        alone.acquire(0)


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from(("call", "restart", "wait"))), max_size=120),
    st.integers(1, 40),
    st.integers(1, 250),
)
def test_replicas_and_restarts_never_overspend_any_window(events: list[tuple[int, str]], minute: int, day: int) -> None:
    store, clock = MemoryStore(), ManualClock(datetime(2026, 11, 23, 23, 50, tzinfo=UTC))
    limits = (Limit(minute, MINUTE), Limit(day, DAY))
    replicas = [budget(store, clock, limits) for _ in range(4)]
    calls: list[datetime] = []
    for replica, event in events:
        if event == "restart":
            replicas[replica] = budget(store, clock, limits)
        elif event == "wait":
            clock.advance(37)
        else:
            try:
                replicas[replica].acquire(0)
            except QuotaExhausted:
                continue
            calls.append(clock.now())
    for form, limit in (("%d %H:%M", minute), ("%d", day)):
        windows = [f"{at:{form}}" for at in calls]
        assert all(windows.count(window) <= limit for window in windows)


def test_replicas_that_race_for_a_slot_of_a_folder_lake_get_each_call_once(tmp_path: Path) -> None:
    spent: list[int] = []
    clock = SystemClock()

    def replica() -> None:
        each = Budget("yahoo", (Limit(60, DAY),), FolderStore(tmp_path), clock, "test")
        spent.append(spend(each, patience=0))

    threads = [threading.Thread(target=replica) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(spent) == 60


def test_while_the_lake_is_down_nothing_is_spent() -> None:
    store = FlakyStore(MemoryStore())
    each = budget(store, ManualClock(START))
    store.up = False
    assert each.left() == 0
    with pytest.raises(QuotaExhausted, match="state can't be reached: the store is down"):
        each.acquire(60)
    store.up = True
    assert spend(each) == 25


def test_windows_older_than_two_days_are_removed() -> None:
    store, clock = MemoryStore(), ManualClock(START)
    for _ in range(5):
        budget(store, clock).acquire(0)
        clock.advance(86_400)
    days = sorted({info.key.split("/")[-2] for info in store.list("state/budgets/") if "day=" in info.key})
    assert days == ["day=20261125", "day=20261126", "day=20261127"]


def test_a_day_costs_few_objects() -> None:
    """Blocks, not calls: 10,000 calls a day are at most 100 objects, and a minute two."""
    assert Limit(10_000, DAY).blocks == 100
    assert Limit(30, MINUTE).blocks == 2
    assert Limit(25, DAY).block == 1
    # Little is left over, whatever the number.
    for calls in range(1, 1000):
        limit = Limit(calls, DAY)
        assert limit.blocks < 200
        assert calls - limit.blocks * limit.block < limit.block


def test_limits_are_read_from_texts() -> None:
    assert parse_limits(("2/second", "30/minute", "10000/day")) == (Limit(2, 1), Limit(30, 60), Limit(10_000, 86_400))
    for wrong in ("0/day", "5 per minute", "5/week", "-1/day", "1.5/second"):
        with pytest.raises(ValueError, match=rf"{re.escape(repr(wrong))} is no budget: want CALLS/PERIOD"):
            parse_limits((wrong,))
    with pytest.raises(ValueError, match="twice"):
        parse_limits(("5/day", "6/day"))
