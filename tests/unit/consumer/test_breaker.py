import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockpipe.consumer.breaker import AT_LEAST, WINDOW, Breaker


def feed(breaker: Breaker, verdicts: list[bool]) -> None:
    for rejected in verdicts:
        if breaker.tripped:
            return
        breaker.reject() if rejected else breaker.accept()


@pytest.mark.parametrize(
    ("verdicts", "trips"),
    [
        ([True] * 99, False),
        ([True] * 100, True),
        ([False, True] * 500, False),
        ([True, False, True] * 60, True),
        ([False] * 10_000 + [True] * 500, False),
        ([False] * 10_000 + [True] * 501, True),
        ([False] * 10_000 + [True] * 400 + [False] * 700 + [True] * 400, False),
    ],
)
def test_it_trips_on_more_than_half_of_the_last_thousand(verdicts: list[bool], trips: bool) -> None:
    breaker = Breaker()
    feed(breaker, verdicts)
    assert breaker.tripped == trips


@given(st.lists(st.integers(1, 400).map(lambda n: n), max_size=20), st.booleans())
def test_it_agrees_with_counting_the_window(runs: list[int], first: bool) -> None:
    breaker, seen = Breaker(), list[bool]()
    for position, length in enumerate(runs):
        rejected = first ^ (position % 2 == 1)
        for _ in range(length):
            seen.append(rejected)
            feed(breaker, [rejected])
            window = seen[-WINDOW:]
            expected = rejected and sum(window) >= AT_LEAST and sum(window) > len(window) / 2
            assert breaker.tripped == expected
            if expected:
                return
