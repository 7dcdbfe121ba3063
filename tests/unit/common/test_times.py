from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockpipe.common import times

instants = st.datetimes(
    min_value=datetime.min.replace(year=1970),
    max_value=datetime.min.replace(year=2200),
    timezones=st.just(UTC),
).map(lambda t: t.replace(microsecond=t.microsecond // 1000 * 1000))


@given(instants)
def test_text_and_back(instant: datetime) -> None:
    text = times.to_text(instant)
    assert len(text) == times.TEXT_LENGTH
    assert times.is_instant(text)
    assert times.from_text(text) == instant


@given(instants, instants)
def test_text_order_is_time_order(a: datetime, b: datetime) -> None:
    assert (times.to_text(a) < times.to_text(b)) == (a < b)


def test_another_zone_becomes_utc() -> None:
    eastern = datetime(2026, 11, 23, 9, 30, tzinfo=timezone(timedelta(hours=-5)))
    assert times.to_text(eastern) == "2026-11-23T14:30:00.000Z"


def test_a_time_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        times.to_text(datetime(2026, 11, 23))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-11-23T14:30:00Z",
        "2026-11-23T14:30:00.000",
        "2026-11-23 14:30:00.000Z",
        "2026-02-30T14:30:00.000Z",
        "2026-11-23T24:30:00.000Z",
        "2026-11-23T14:30:60.000Z",
        "2026-11-23T14:30:00,000Z",
        "2026-11-23T14:30:0٣.000Z",
        "2026-11-23T14:30:00.000Z\n",
        "2026-1-23T014:30:00.000Z",
        "+2026-1-23T14:30:00.000Z",
    ],
)
def test_other_forms_are_refused(text: str) -> None:
    assert not times.is_instant(text)
    with pytest.raises(ValueError, match="is not an instant"):
        times.from_text(text)


@given(st.integers(0, 7_000_000_000_000))
def test_millis_are_exact(millis: int) -> None:
    assert times.from_millis(millis) == datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=millis)


@pytest.mark.parametrize("text", ["2026-2-03", "2026-02-30", "20260203", "2026-02-03T", ""])
def test_other_dates_are_refused(text: str) -> None:
    assert not times.is_date(text)
