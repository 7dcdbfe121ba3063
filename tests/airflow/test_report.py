"""The report says what happened, and what was out of the ordinary."""

from datetime import UTC, datetime
from typing import Any

from stock_airflow.report import as_markdown, make_report

NOW = datetime(2026, 11, 24, 15, 30, tzinfo=UTC)
TASKS = [
    {"task_id": "fetch", "map_index": -1, "state": "success", "duration": 1.25},
    {"task_id": "chunk", "map_index": 2, "state": "success", "duration": None},
]
PASSED = {"check": "prices", "level": "fail", "rows": 0}
COMPUTED = {"rows_in": 90, "rows_dropped": {"superseded": 4, "other": 0}, "rows_out": 86}


def report(**values: Any) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "dag_id": "stock",
        "run_id": "run",
        "identity": "id",
        "tasks": TASKS,
        "summaries": {
            "fetched": {"records": 90},
            "landed": {"records": 90, "rejected": 0, "newest": "2026-11-24T15:29:00.000Z"},
            "loaded": {"inserted": 80, "updated": 6, "stale": 0, "checks": [PASSED]},
        },
        "computed": {**COMPUTED, "rows_dropped": {}},
        "now": NOW,
    }
    return make_report(**(facts | values))


def test_a_run_without_trouble() -> None:
    found = report()
    assert found["state"] == "success"
    assert found["rows"] == {
        "fetched": 90,
        "landed": 90,
        "rejected": 0,
        "read by Spark": 90,
        "dropped by Spark": 0,
        "computed": 86,
        "inserted": 80,
        "updated": 6,
        "stale": 0,
    }
    assert found["tasks"] == [
        {"task": "fetch", "state": "success", "seconds": 1.2},
        {"task": "chunk[2]", "state": "success", "seconds": 0.0},
    ]
    assert found["freshness_seconds"] == 60
    assert found["quality"]["checks"] == [PASSED]
    assert found["anomalies"] == []
    text = as_markdown(found)
    assert "| landed | 90 |" in text
    assert "| prices | fail | 0 |" in text
    assert "Newest event: 2026-11-24T15:29:00.000Z, 60 s before" in text
    assert "Nothing." in text


def test_whatever_is_out_of_the_ordinary_is_named() -> None:
    found = report(
        tasks=[*TASKS, {"task_id": "load", "map_index": -1, "state": "failed", "duration": 3.0}],
        computed=COMPUTED,
        summaries={
            "fetched": {"records": 90, "failed": {"FB": "no data"}},
            "landed": {"records": 90, "rejected": 2},
            "audited": {"unaccounted": {"kafka-raw": 0, "raw-processed": 3}},
            "loaded": {
                "checks": [
                    PASSED,
                    {"check": "volumes", "level": "fail", "rows": 1},
                    {"check": "fresh", "level": "warn", "rows": 5},
                ]
            },
        },
    )
    assert found["state"] == "failed"
    assert found["anomalies"] == [
        "load is failed",
        "FB gave nothing: no data",
        "2 records were rejected, see the topic's DLQ",
        "Spark dropped 4 rows: superseded",
        "check volumes refused the batch for 1 rows",
        "check fresh found 5 rows",
        "3 records are unaccounted at raw-processed",
    ]


def test_a_run_that_stopped_early_has_only_what_it_did() -> None:
    found = report(summaries={"fetched": {"records": 90}}, computed=None)
    assert found["rows"] == {"fetched": 90}
    assert found["freshness_seconds"] is None
