"""What a source's plan allows: so many calls in a window of so many seconds."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

MINUTE = 60
HOUR = 3600
DAY = 86_400
_SECONDS = {"second": 1, "minute": MINUTE, "hour": HOUR, "day": DAY}
_NAMES = {MINUTE: "minute", HOUR: "hour", DAY: "day"}
_BLOCKS = {MINUTE: 2, HOUR: 20, DAY: 100}
_LIMIT = re.compile(rf"(\d+)/({'|'.join(_SECONDS)})")


@dataclass(frozen=True)
class Limit:
    """At most `calls` in any window of `seconds`."""

    calls: int
    seconds: int

    @property
    def is_shared(self) -> bool:
        """Return whether replicas share it by the lake; shorter ones are kept by spacing a process's calls."""
        return self.seconds in _NAMES

    @property
    def block(self) -> int:
        """Return how many calls a process reserves at a time; a restart forfeits at most this many, less one."""
        return max(1, self.calls // _BLOCKS[self.seconds])

    @property
    def blocks(self) -> int:
        """Return how many whole blocks a window has; the few calls beyond them are left unused."""
        return self.calls // self.block

    def window(self, now: datetime, zone: ZoneInfo) -> tuple[str, datetime]:
        """Return the name of the shared window that `now` is in, and its end; days begin at midnight of `zone`."""
        if self.seconds == DAY:
            local = now.astimezone(zone)
            midnight = datetime(local.year, local.month, local.day, tzinfo=zone) + timedelta(days=1)
            return f"day={local:%Y%m%d}", midnight.astimezone(UTC)
        since_midnight = now.hour * HOUR + now.minute * MINUTE + now.second
        start = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(
            seconds=since_midnight // self.seconds * self.seconds
        )
        return f"{_NAMES[self.seconds]}={start:%Y%m%dT%H%M}", start + timedelta(seconds=self.seconds)


def parse_limits(texts: tuple[str, ...]) -> tuple[Limit, ...]:
    """Return the limits that texts like `30/minute` name.

    Raises:
        ValueError: a text has another form or allows nothing.
    """
    limits = []
    for text in texts:
        match = _LIMIT.fullmatch(text)
        if match is None or int(match[1]) == 0:
            raise ValueError(f"{text!r} is no budget: want CALLS/PERIOD, e.g. 30/minute; periods {', '.join(_SECONDS)}")
        limits.append(Limit(int(match[1]), _SECONDS[match[2]]))
    if len({limit.seconds for limit in limits}) < len(limits):
        raise ValueError("a period is given twice")
    return tuple(limits)
