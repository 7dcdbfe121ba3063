"""Runs that follow an exchange's calendar: none on holidays, early ones on half days."""

from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Self

import exchange_calendars
import pendulum
from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction, Timetable
from pendulum import DateTime


class ExchangeTimetable(Timetable):
    """A run for each session of `exchange`, or for each part of it that is `every` long.

    A run's data interval is the session, or the part, in UTC, so its logical date is the open; it starts `delay` after
    the interval's end. A run by hand is for the last session up to its date, or the last whole part before it.
    """

    def __init__(self, exchange: str, delay: timedelta, every: timedelta | None = None) -> None:
        self.exchange = exchange
        self.delay = delay
        self.every = every
        what = f"every {_minutes(every)} min of a session" if every else "once a session"
        self.description = f"{what} of {exchange}, {_minutes(delay)} min after it ends"

    @property
    def summary(self) -> str:
        """Return what the list of DAGs shows."""
        return f"{self.exchange} {_minutes(self.every)} min" if self.every else f"{self.exchange} sessions"

    def serialize(self) -> dict[str, Any]:
        """Return what `deserialize` takes."""
        return {
            "exchange": self.exchange,
            "delay": self.delay.total_seconds(),
            "every": self.every.total_seconds() if self.every else None,
        }

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> Self:
        """Return the timetable that `serialize` described."""
        every = timedelta(seconds=data["every"]) if data["every"] else None
        return cls(data["exchange"], timedelta(seconds=data["delay"]), every)

    def infer_manual_data_interval(self, *, run_after: DateTime) -> DataInterval:
        """Return the interval of a run by hand."""
        if self.every:
            return DataInterval(run_after - self.every, run_after)
        return _session(self.exchange, _calendar(self.exchange).date_to_session(_day(run_after), "previous"))

    def next_dagrun_info(
        self, *, last_automated_data_interval: DataInterval | None, restriction: TimeRestriction
    ) -> DagRunInfo | None:
        """Return the run after the last one; None where the DAG ends or the calendar does."""
        earliest = restriction.earliest
        if not restriction.catchup:
            # the last interval that is over by now is still run
            now = pendulum.now("UTC")
            recent = self._last_ended(now)
            earliest = max(earliest, recent) if earliest else recent
        if last_automated_data_interval:
            follows = last_automated_data_interval.end
            earliest = max(earliest, follows) if earliest else follows
        if earliest is None:
            return None
        for interval in self._from(earliest):
            if restriction.latest and interval.start > restriction.latest:
                return None
            return DagRunInfo(run_after=interval.end + self.delay, data_interval=interval)
        return None

    def _from(self, earliest: DateTime) -> Any:
        """Yield the intervals that start at `earliest` or later."""
        calendar = _calendar(self.exchange)
        sessions = calendar.sessions[calendar.sessions >= _day(earliest)]
        for label in sessions:
            for interval in self._parts(_session(self.exchange, label)):
                if interval.start >= earliest:
                    yield interval

    def _parts(self, session: DataInterval) -> Any:
        if self.every is None:
            yield session
            return
        start = session.start
        while start < session.end:
            yield DataInterval(start, min(start + self.every, session.end))
            start += self.every

    def _last_ended(self, now: DateTime) -> DateTime:
        """Return the start of the last interval whose run is due at `now`."""
        calendar = _calendar(self.exchange)
        label = calendar.date_to_session(_day(now), "previous")
        while True:
            ended = [
                interval for interval in self._parts(_session(self.exchange, label)) if interval.end + self.delay <= now
            ]
            if ended:
                return ended[-1].start
            label = calendar.previous_session(label)


def session_date(exchange: str, interval_start: datetime) -> str:
    """Return the date, at the exchange, of the session that opens at `interval_start`."""
    return interval_start.astimezone(_calendar(exchange).tz).date().isoformat()


@lru_cache(maxsize=8)
def _calendar(exchange: str) -> Any:
    # from 1990 on where the calendar goes back so far, else 20 years
    try:
        return exchange_calendars.get_calendar(exchange, start="1990-01-01")
    except ValueError:
        return exchange_calendars.get_calendar(exchange)


def _session(exchange: str, label: Any) -> DataInterval:
    calendar = _calendar(exchange)
    return DataInterval(
        pendulum.instance(calendar.session_open(label).to_pydatetime()),
        pendulum.instance(calendar.session_close(label).to_pydatetime()),
    )


def _day(moment: datetime) -> str:
    return moment.astimezone(pendulum.UTC).date().isoformat()


def _minutes(duration: timedelta) -> int:
    return int(duration.total_seconds() // 60)
