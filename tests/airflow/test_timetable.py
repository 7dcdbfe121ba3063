"""Runs follow real calendars."""

from datetime import timedelta

import pendulum
import pytest
from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction
from pendulum import DateTime

from stock_airflow.timetable import ExchangeTimetable, session_date

DAILY = ExchangeTimetable("XNYS", timedelta(minutes=75))
HALF_HOURS = ExchangeTimetable("XNYS", timedelta(0), timedelta(minutes=30))


def at(text: str) -> DateTime:
    found = pendulum.parse(text)
    assert isinstance(found, DateTime)
    return found


def scheduled(timetable: ExchangeTimetable, first: str, last: str) -> list[DagRunInfo]:
    """Return all runs of a DAG that catches up."""
    restriction = TimeRestriction(at(first), at(last), catchup=True)
    found: list[DagRunInfo] = []
    interval: DataInterval | None = None
    while info := timetable.next_dagrun_info(last_automated_data_interval=interval, restriction=restriction):
        found.append(info)
        interval = info.data_interval
    return found


def test_no_run_on_weekends_and_holidays_and_an_early_one_on_a_half_day() -> None:
    runs = scheduled(DAILY, "2026-11-25", "2026-11-30T23:59")
    # the 26th is Thanksgiving, the day after ends at 13:00 in New York
    assert [run.run_after.to_datetime_string() for run in runs] == [
        "2026-11-25 22:15:00",
        "2026-11-27 19:15:00",
        "2026-11-30 22:15:00",
    ]


@pytest.mark.parametrize(
    ("exchange", "first", "last", "sessions"),
    [
        ("XNYS", "2012-01-01", "2012-12-31", 250),  # two days of Sandy among them
        ("XNYS", "2001-09-10", "2001-09-17", 2),
        ("XLON", "2022-05-30", "2022-06-06", 4),  # two bank holidays
        ("XTKS", "2026-04-29", "2026-05-07", 3),  # golden week
    ],
)
def test_as_many_runs_as_the_exchange_had_sessions(exchange: str, first: str, last: str, sessions: int) -> None:
    timetable = ExchangeTimetable(exchange, timedelta(minutes=75))
    assert len(scheduled(timetable, first, f"{last}T23:59")) == sessions


def test_the_summer_time_of_the_exchange_counts() -> None:
    runs = scheduled(DAILY, "2026-10-30", "2026-11-02T23:59")
    assert [run.run_after.format("HH:mm") for run in runs] == ["21:15", "22:15"]


def test_half_hours_end_with_the_session() -> None:
    runs = scheduled(HALF_HOURS, "2026-11-27", "2026-11-27T23:59")
    assert [run.run_after.format("HH:mm") for run in runs] == [
        "15:00",
        "15:30",
        "16:00",
        "16:30",
        "17:00",
        "17:30",
        "18:00",
    ]
    assert all(run.data_interval and run.data_interval.end == run.run_after for run in runs)


def test_without_catch_up_only_the_last_interval_that_is_over_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    restriction = TimeRestriction(at("2026-11-02"), None, catchup=False)
    for now, expected in (("2026-11-28T12:00", "2026-11-27T14:30"), ("2026-11-25T22:14", "2026-11-24T14:30")):
        monkeypatch.setattr("stock_airflow.timetable.pendulum.now", lambda _zone, now=now: at(now))
        info = DAILY.next_dagrun_info(last_automated_data_interval=None, restriction=restriction)
        assert info is not None
        assert info.logical_date == at(expected)


def test_a_run_by_hand_is_for_the_last_session_up_to_its_date() -> None:
    for day, session in (("2012-09-19", "2012-09-19"), ("2026-11-29", "2026-11-27"), ("2026-11-26", "2026-11-25")):
        interval = DAILY.infer_manual_data_interval(run_after=at(day))
        assert session_date("XNYS", interval.start) == session


def test_a_session_that_opens_on_the_day_before_in_utc_has_its_own_date() -> None:
    interval = ExchangeTimetable("XASX", timedelta(0)).infer_manual_data_interval(run_after=at("2026-11-24T00:00"))
    assert session_date("XASX", interval.start) == "2026-11-24"


@pytest.mark.parametrize("timetable", [DAILY, HALF_HOURS])
def test_the_scheduler_gets_the_same_timetable(timetable: ExchangeTimetable) -> None:
    again = ExchangeTimetable.deserialize(timetable.serialize())
    assert scheduled(again, "2026-11-25", "2026-11-27T23:59") == scheduled(timetable, "2026-11-25", "2026-11-27T23:59")
    assert again.summary == timetable.summary
