import random
from datetime import UTC, datetime

import pytest
from prometheus_client import CollectorRegistry

from stockpipe.common.lake.store import ObjectStore
from stockpipe.common.metrics import ProducerMetrics
from stockpipe.common.times import from_text
from stockpipe.producer.sources.errors import (
    BadPayload,
    NoData,
    QuotaExhausted,
    RateLimited,
    SourceError,
    SourceUnavailable,
)
from stockpipe.producer.sources.health import COOLDOWN_SECONDS, Health
from support.clocks import ManualClock
from support.landing import quiet_log
from support.memory_store import MemoryStore
from support.outages import FlakyStore

START = datetime(2026, 11, 23, 14, 30, tzinfo=UTC)


def health(store: ObjectStore, clock: ManualClock, seed: int = 1) -> Health:
    return Health("yahoo", store, clock, random.Random(seed), ProducerMetrics(CollectorRegistry()), quiet_log())


def test_one_rate_limit_is_enough_and_lasts_a_quarter_of_an_hour_or_more() -> None:
    clock = ManualClock(START)
    each = health(MemoryStore(), clock)
    assert each.cooling_until() is None
    each.note(RateLimited("yahoo", "AAPL", "429"))
    until = each.cooling_until()
    assert until is not None
    assert COOLDOWN_SECONDS <= (from_text(until) - START).total_seconds() <= 1.5 * COOLDOWN_SECONDS
    clock.advance(1.5 * COOLDOWN_SECONDS)
    assert each.cooling_until() is None


def test_replicas_and_a_restarted_process_see_the_cool_down() -> None:
    store, clock = MemoryStore(), ManualClock(START)
    each, replica = health(store, clock), health(store, clock, seed=2)
    assert replica.cooling_until() is None
    each.note(RateLimited("yahoo", None, "429"))
    clock.advance(15)
    assert replica.cooling_until() == each.cooling_until() == health(store, clock).cooling_until()


def test_two_replicas_do_not_come_back_together() -> None:
    ends = []
    for seed in range(2):
        each = health(MemoryStore(), ManualClock(START), seed)
        each.note(RateLimited("yahoo", None, "429"))
        ends.append(each.cooling_until())
    assert len(set(ends)) == 2


@pytest.mark.parametrize("error", [SourceUnavailable("yahoo", "A", "500"), BadPayload("yahoo", "A", "HTML")])
def test_a_disguised_rate_limit_shows_in_the_ratio_of_failures(error: SourceError) -> None:
    each = health(MemoryStore(), ManualClock(START))
    for _ in range(5):
        each.note(None)
        each.note(error)
    assert each.cooling_until() is not None


def test_a_few_bad_symbols_among_good_ones_do_not_trip() -> None:
    each = health(MemoryStore(), ManualClock(START))
    for _ in range(50):
        each.note(BadPayload("yahoo", "ODD", "NaN"))
        for _ in range(3):
            each.note(None)
    assert each.cooling_until() is None


@pytest.mark.parametrize("error", [NoData("yahoo", "GONE", "delisted"), QuotaExhausted("yahoo", None, "all used")])
def test_a_clear_answer_and_a_used_up_quota_are_no_failures(error: SourceError) -> None:
    each = health(MemoryStore(), ManualClock(START))
    for _ in range(100):
        each.note(error)
    assert each.cooling_until() is None


def test_without_the_lake_the_process_still_cools_down() -> None:
    store = FlakyStore(MemoryStore())
    store.up = False
    each = health(store, ManualClock(START))
    each.note(RateLimited("yahoo", None, "429"))
    assert each.cooling_until() is not None


def test_cool_downs_that_are_over_are_removed() -> None:
    store, clock = MemoryStore(), ManualClock(START)
    health(store, clock).note(RateLimited("yahoo", None, "429"))
    clock.advance(3600)
    assert health(store, clock).cooling_until() is None
    assert store.objects == {}
