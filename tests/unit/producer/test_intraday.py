import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockpipe.producer.sources.intraday import FEWEST_TICKS, Bar, simulate

cents = st.integers(1, 1_000_000).map(lambda value: value / 100)


@st.composite
def bars(draw: st.DrawFn) -> Bar:
    low, high = sorted((draw(cents), draw(cents)))
    inside = st.floats(low, high)
    ends = st.one_of(inside, st.sampled_from((low, high)))
    return Bar(draw(ends), high, low, draw(ends), draw(st.integers(0, 10**11)))


@given(bars(), st.integers(FEWEST_TICKS, 900), st.integers(0, 2**32))
def test_a_path_touches_exactly_the_bar(bar: Bar, ticks: int, seed: int) -> None:
    path = simulate(bar, ticks, random.Random(seed))
    assert len(path.prices) == len(path.volumes) == ticks
    assert path.prices[0] == bar.open
    assert path.prices[-1] == bar.close
    assert max(path.prices) == bar.high
    assert min(path.prices) == bar.low
    assert sum(path.volumes) == bar.volume
    assert min(path.volumes) >= 0


def test_the_same_seed_gives_the_same_path() -> None:
    bar = Bar(10.0, 12.0, 9.0, 11.0, 1_000_000)
    assert simulate(bar, 781, random.Random(1)) == simulate(bar, 781, random.Random(1))
    assert simulate(bar, 781, random.Random(1)) != simulate(bar, 781, random.Random(2))


def test_a_path_moves() -> None:
    path = simulate(Bar(10.0, 12.0, 9.0, 11.0, 1_000_000), 781, random.Random(3))
    assert len(set(path.prices)) > 100
    assert path.volumes[0] > 2 * min(path.volumes)


def test_too_few_ticks_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 4 ticks"):
        simulate(Bar(1, 1, 1, 1, 1), 3, random.Random(0))
