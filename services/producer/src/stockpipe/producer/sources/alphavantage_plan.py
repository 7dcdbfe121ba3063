"""What Alpha Vantage's subscriptions allow."""

from dataclasses import dataclass
from typing import Literal

from stockpipe.producer.sources.limits import DAY, MINUTE, Limit

PlanName = Literal["free", "premium-75", "premium-150", "premium-300", "premium-600", "premium-1200"]


@dataclass(frozen=True)
class Plan:
    """What a subscription allows. A free key has the last 100 daily bars, unadjusted, and no quotes."""

    limits: tuple[Limit, ...]
    premium: bool


def plan_named(name: PlanName) -> Plan:
    """Return the plan of this name; the free one is used at half of the rate it allows."""
    if name == "free":
        return Plan((Limit(1, 2), Limit(25, DAY)), premium=False)
    calls = int(name.partition("-")[2])
    return Plan((Limit(max(1, calls // MINUTE), 1), Limit(calls, MINUTE)), premium=True)
