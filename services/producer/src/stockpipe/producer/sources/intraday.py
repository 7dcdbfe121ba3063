"""A simulated way through a real daily bar.

The prices are made up, but touch exactly the bar's open, high, low and close, and never leave its range; the volumes
are made up and add up exactly to the bar's.
"""

import random
from dataclasses import dataclass
from itertools import pairwise

FEWEST_TICKS = 4
_NOISE = 0.15
"""Standard deviation of the bridge noise in the middle of a leg, as a share of the bar's range."""


@dataclass(frozen=True)
class Bar:
    """The real bar a path runs through."""

    open: float
    high: float
    low: float
    close: float
    volume: int


@dataclass(frozen=True)
class Path:
    """One price and one volume (traded since the tick before) a tick."""

    prices: tuple[float, ...]
    volumes: tuple[int, ...]


def simulate(bar: Bar, ticks: int, rng: random.Random) -> Path:
    """Return a random path of `ticks` ticks from the bar's open to its close.

    Raises:
        ValueError: fewer than four ticks.
    """
    if ticks < FEWEST_TICKS:
        raise ValueError(f"a path needs at least {FEWEST_TICKS} ticks, not {ticks}")
    return Path(_prices(bar, ticks, rng), _volumes(bar.volume, ticks, rng))


def _prices(bar: Bar, ticks: int, rng: random.Random) -> tuple[float, ...]:
    anchors = {0: bar.open, ticks - 1: bar.close}
    free = rng.sample(range(1, ticks - 1), 2)
    extremes = zip(free, (bar.high, bar.low), strict=True)
    anchors |= {position: level for position, level in extremes if level not in (bar.open, bar.close)}
    prices: list[float] = []
    for start, end in pairwise(sorted(anchors)):
        prices += _leg(bar, anchors[start], anchors[end], end - start, rng)
    return (*prices, bar.close)


def _leg(bar: Bar, first: float, last: float, steps: int, rng: random.Random) -> list[float]:
    """Return `steps` prices from `first`, before `last`: a line with the noise of a Brownian bridge, in cents."""
    walk = [0.0]
    for _ in range(steps):
        walk.append(walk[-1] + rng.gauss(0.0, 1.0))
    scale = _NOISE * (bar.high - bar.low) * 2 / steps**0.5
    prices = [first]
    for step in range(1, steps):
        share = step / steps
        bridge = walk[step] - share * walk[-1]
        price = round(first + share * (last - first) + scale * bridge, 2)
        prices.append(min(bar.high, max(bar.low, price)))
    return prices


def _volumes(total: int, ticks: int, rng: random.Random) -> tuple[int, ...]:
    """Split `total` with more at the open and the close, exactly."""
    weights = [(1 + 3 * (2 * tick / (ticks - 1) - 1) ** 2) * rng.uniform(0.5, 1.5) for tick in range(ticks)]
    # Cumulative shares, rounded down, differ by whole shares and end at the total.
    scale = sum(weights)
    volumes, weight, before = [], 0.0, 0
    for tick in range(ticks):
        weight += weights[tick]
        upto = total if tick == ticks - 1 else min(total, int(total * (weight / scale)))
        volumes.append(upto - before)
        before = upto
    return tuple(volumes)
