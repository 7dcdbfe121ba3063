"""What a backfill asks for."""

from datetime import UTC, date, datetime

import exchange_calendars
import pytest

from stock_airflow.backfill import chunks, last_affected


def test_chunks_follow_each_other_without_a_gap() -> None:
    assert list(chunks(date(2012, 1, 1), date(2012, 12, 31), 183)) == [
        (date(2012, 1, 1), date(2012, 7, 1)),
        (date(2012, 7, 2), date(2012, 12, 31)),
    ]
    with pytest.raises(ValueError, match="from 2012-01-02 is after to 2012-01-01; swap them"):
        list(chunks(date(2012, 1, 2), date(2012, 1, 1), 1))


@pytest.mark.parametrize("exchange", ["XNYS", "XTKS", "XSHG"])
def test_metrics_are_computed_anew_as_far_as_the_bars_reach(exchange: str) -> None:
    sessions = [each.date() for each in exchange_calendars.get_calendar(exchange, start="2000-01-01").sessions]
    now = datetime(2026, 11, 24, tzinfo=UTC)
    for session, affected in zip(sessions, sessions[30:], strict=False):
        if affected < now.date():
            assert last_affected(str(session), now) >= str(affected)
    assert last_affected("2026-11-23", now) == "2026-11-24"
