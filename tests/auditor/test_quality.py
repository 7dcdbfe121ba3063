"""What checks found, in the books' report."""

from datetime import date, datetime
from typing import Any

import pyarrow as pa

from stockpipe.auditor.books import Books
from stockpipe.auditor.period import Period
from stockpipe.auditor.quality import CheckBooks, broken_checks
from stockpipe.auditor.report import render
from stockpipe.common.warehouse.ledger import DATABASES
from stockpipe.common.warehouse.quality import data_quality_results
from support.long_run import MemoryReader

BATCH, STREAM = DATABASES
ALWAYS = Period(None, None)


def result(dataset: str, batch: str, check: str, rows: int, status: str, day: int) -> dict[str, Any]:
    severity = "fail" if status == "failed" else "warn"
    at = datetime(2026, 11, day, 21, 30)
    named = {"dataset": dataset, "batch_id": batch, "check_name": check, "severity": severity}
    return {**named, "rows": rows, "status": status, "checked_at": at}


def reader_of(database: str, *results: dict[str, Any]) -> MemoryReader:
    reader = MemoryReader()
    table = data_quality_results(database)
    reader.insert(table, pa.Table.from_pylist(list(results), table.arrow_schema))
    return reader


def test_broken_checks_are_summed_by_dataset_and_check_and_passed_ones_left_out() -> None:
    reader = reader_of(
        BATCH,
        result("daily", "a", "prices", 2, "failed", 23),
        result("daily", "b", "sessions", 1, "warned", 23),
        result("daily", "c", "sessions", 4, "warned", 24),
        result("daily", "c", "prices", 0, "passed", 24),
    )
    found = broken_checks(reader, ALWAYS)
    assert found == [
        CheckBooks("daily", "prices", "fail", 1, 2, "2026-11-23T21:30:00.000Z"),
        CheckBooks("daily", "sessions", "warn", 2, 5, "2026-11-24T21:30:00.000Z"),
    ]
    lines = render(Books(), found).splitlines()
    assert "  daily    sessions  warn            2     5  2026-11-24T21:30:00.000Z" in lines


def test_a_period_has_the_checks_of_its_days() -> None:
    days = [result("realtime", f"{day}", "price_jump", day, "warned", day) for day in (22, 23, 24)]
    reader = reader_of(STREAM, *days)
    assert [each.rows for each in broken_checks(reader, Period(date(2026, 11, 23), date(2026, 11, 23)))] == [23]
    assert [each.rows for each in broken_checks(reader, Period(date(2026, 11, 23), None))] == [23 + 24]
    assert broken_checks(reader, Period(None, date(2026, 11, 21))) == []


def test_that_nothing_was_found_is_said() -> None:
    assert "Checks of the batches found nothing." in render(Books(), [])
