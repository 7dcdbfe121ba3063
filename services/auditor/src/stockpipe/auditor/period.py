"""Which days the auditor checks."""

from dataclasses import dataclass
from datetime import date

from stockpipe.common.errors import ConfigError


@dataclass(frozen=True)
class Period:
    """The days (UTC, included) whose work is checked; None is unbounded."""

    first: date | None
    last: date | None

    def __post_init__(self) -> None:
        if self.first and self.last and self.first > self.last:
            raise ConfigError(f"FROM (--from) {self.first} is after TO (--to) {self.last}; swap them")

    @property
    def is_everything(self) -> bool:
        """Return whether no day is left out."""
        return self.first is None and self.last is None

    def includes(self, instant: str) -> bool:
        """Return whether an instant in text form lies in the period."""
        day = date.fromisoformat(instant[:10])
        return (self.first is None or self.first <= day) and (self.last is None or day <= self.last)
