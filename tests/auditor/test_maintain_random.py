"""Maintenance of random lakes: whatever it removes, whenever it is killed or meets another, no promise breaks."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import hypothesis.strategies as st
from hypothesis import HealthCheck, Phase, given, settings

from support.long_run import DAY, LongRun, MemoryReader
from support.memory_store import Killed

HOUR = timedelta(hours=1)


def land(run: LongRun, partition: int, count: int, rejected: int) -> None:
    run.land(partition, count, rejected)


def stream(run: LongRun, load: bool) -> None:
    made = run.stream()
    run.load(made if load else None)


def recompute(run: LongRun, load: bool) -> None:
    made = run.recompute()
    run.load(made if load else None)


def bars(run: LongRun, count: int, load: bool) -> None:
    run.land_bars(count)
    made = run.daily()
    run.load(made if load else None)


def leave(run: LongRun, number: int) -> None:
    """Leave behind what a crashed writer does, below and beyond what manifests cover."""
    end = run.ends["stock-market-realtime", 0]
    day = "year=2026/month=06/day=01"
    for key in (
        f"raw/realtime/{day}/hour=14/stock_data_20260601_1400_p00_{max(0, end - 1):020d}-{end + number:020d}.csv",
        f"raw/realtime/{day}/hour=14/stock_data_20260601_1400_p00_{end:020d}-{end + number:020d}.csv",
        f"processed/realtime_live/{day}/part-20260601T140000Z-stream-0123456789ab-{run.micro_batches:010d}.parquet",
        f"processed/realtime/{day}/symbol=X/part-20260601T140000Z-w-{number:06x}-00000-uuid.snappy.parquet",
        "processed/realtime/_temporary/0/part.parquet",
    ):
        run.store.objects.setdefault(key, (b"left behind", run.store.now))


loaded = st.sampled_from([True, True, True, False])
actions: st.SearchStrategy[Callable[[LongRun], None]] = st.one_of(
    st.builds(
        lambda *given: lambda run: land(run, *given), st.integers(0, 1), st.integers(1, 40), st.sampled_from([0, 0, 1])
    ),
    st.builds(lambda load: lambda run: stream(run, load), loaded),
    st.builds(lambda load: lambda run: recompute(run, load), loaded),
    st.builds(lambda *given: lambda run: bars(run, *given), st.integers(1, 3), loaded),
    st.builds(lambda number: lambda run: leave(run, number), st.integers(0, 3)),
)
days = st.lists(st.tuples(st.integers(1, 25), st.lists(actions, min_size=1, max_size=5)), min_size=1, max_size=7)


@dataclass
class Site:
    run: LongRun
    reader: MemoryReader
    rows: dict[str, list[dict[str, object]]]

    def check(self) -> None:
        """The books balance, nothing listed is gone, and every batch that is left has the rows it had."""
        run = self.run
        books = run.books(self.reader)
        assert books.findings == []
        assert all(each.unaccounted == 0 for each in books.partitions)
        assert sum(each.offsets for each in books.partitions) == sum(run.ends.values())
        assert run.needed() <= run.store.objects.keys()
        found = run.rows()
        assert found == {batch: self.rows[batch] for batch in found}
        unloaded = {batch for batch in self.rows if not any(batch in batches for batches in run.loaded.values())}
        assert unloaded <= found.keys()


def built(script: list[tuple[int, list[Callable[[LongRun], None]]]]) -> Site:
    run = LongRun()
    for gap, steps in script:
        run.store.now += gap * DAY
        for number, step in enumerate(steps):
            run.store.now = run.store.now.replace(hour=14) + number * HOUR
            step(run)
    run.store.now += DAY
    site = Site(run, run.warehouse(), run.rows())
    site.check()
    return site


# An example takes half a second: shrinking would go on for minutes.
slow: dict[str, Any] = {
    "phases": (Phase.explicit, Phase.generate),
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large],
}
many = settings(max_examples=12, **slow)


@many
@given(days, st.lists(st.integers(0, 40), max_size=4), st.integers(0, 60))
def test_killed_at_any_write_the_books_balance_and_the_next_run_finishes(
    script: list[tuple[int, list[Callable[[LongRun], None]]]], kills: list[int], later: int
) -> None:
    site = built(script)
    run = site.run
    needed = run.needed()
    for number in kills:
        run.store.kill_at(number)
        with suppress(Killed):
            run.maintain()
        run.store.before_write = None
        site.check()
        assert needed <= run.store.objects.keys(), "a reader that began before the run lost an object"
    run.maintain()
    site.check()
    assert needed <= run.store.objects.keys()
    for days in (2, later, 2):
        run.store.now += days * DAY
        run.maintain()
        site.check()
    before = dict(run.store.objects)
    again = run.maintain()
    assert run.store.objects == before, "a run right after another has nothing to do"
    assert again.compacted == []


@many
@given(days, st.integers(0, 30), st.integers(0, 30), st.integers(0, 3))
def test_two_runs_at_once_and_a_consumer_meanwhile(
    script: list[tuple[int, list[Callable[[LongRun], None]]]], first: int, second: int, apart: int
) -> None:
    site = built(script)
    run = site.run
    needed = run.needed()

    def other() -> None:
        # Two clocks are never quite the same, so neither are their limits of age.
        run.maintain(now=run.store.now + apart * HOUR)
        run.store.at(second, lambda: run.land(0, 3))

    run.store.at(first, other)
    run.maintain()
    run.store.before_write = None
    site.check()
    assert needed <= run.store.objects.keys()
    run.store.now += 3 * DAY
    run.maintain()
    site.check()


@settings(max_examples=5, **slow)
@given(days)
def test_without_apply_nothing_is_written(script: list[tuple[int, list[Callable[[LongRun], None]]]]) -> None:
    site = built(script)
    run = site.run
    before, writes = dict(run.store.objects), run.store.writes
    told = run.maintain(apply=False)
    assert (run.store.objects, run.store.writes) == (before, writes)
    done = run.maintain()
    assert [(each.subject, each.manifests, each.objects) for each in told.retired] == [
        (each.subject, each.manifests, each.objects) for each in done.retired
    ]
