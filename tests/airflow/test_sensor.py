"""The sensor tells apart what a run collected from what was there before."""

import json
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSensorTimeout

from stock_airflow.sensor import RawDataSensor

SINCE = "2026-11-24T15:00:00+00:00"


@pytest.fixture
def land(tmp_path: Path, set_settings: Callable[..., None]) -> Callable[..., None]:
    """Put a manifest into the lake."""
    set_settings(lake=f"file://{tmp_path}")

    def put(written_at: str, partition: int = 0, topic: str = "quotes", **values: Any) -> None:
        manifest = {
            "written_at": written_at,
            "records": 10,
            "rejected": 0,
            "symbols": ["AAPL"],
            "min_event_time": "2026-11-23T20:59:30.000Z",
            "max_event_time": "2026-11-24T15:05:00.000Z",
        }
        path = tmp_path / f"raw/_manifests/{topic}/partition={partition:02d}" / f"{0:020d}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(manifest | values))
        seconds = datetime.fromisoformat(written_at).timestamp()
        os.utime(path, (seconds, seconds))

    return put


def poke() -> tuple[bool, dict[str, Any]]:
    found = RawDataSensor(task_id="wait", topic="quotes", since=SINCE).poke({})
    return found.is_done, found.xcom_value or {}


def test_what_was_there_before_doesnt_count(land: Callable[..., None]) -> None:
    assert poke()[0] is False
    land("2026-11-24T14:59:59.000Z")
    land("2026-11-24T15:01:00.000Z", topic="other")
    land("2026-11-24T15:01:00.000Z", partition=1, records=0, rejected=3, min_event_time=None, max_event_time=None)
    assert poke() == (
        False,
        {
            "manifests": 1,
            "records": 0,
            "rejected": 3,
            "first_day": "",
            "last_day": "",
            "newest": "",
            "symbols": ["AAPL"],
        },
    )


def test_what_came_is_told(land: Callable[..., None]) -> None:
    land("2026-11-24T15:01:00.000Z", partition=1, rejected=1)
    land("2026-11-24T15:02:00.000Z", partition=2, symbols=["MSFT"], max_event_time="2026-11-24T15:06:00.000Z")
    done, found = poke()
    assert done
    assert found == {
        "manifests": 2,
        "records": 20,
        "rejected": 1,
        "first_day": "2026-11-23",
        "last_day": "2026-11-24",
        "newest": "2026-11-24T15:06:00.000Z",
        "symbols": ["AAPL", "MSFT"],
    }


def test_it_gives_its_place_back_between_looks_and_says_where_to_look_in_the_end(
    monkeypatch: pytest.MonkeyPatch, dags: dict[str, Any]
) -> None:
    sensor = dags["stock_streaming_pipeline"].get_task("wait_for_raw_data")
    assert sensor.mode == "reschedule"
    assert sensor.timeout == 600

    def give_up(_self: Any, _context: Any) -> None:
        raise AirflowSensorTimeout("Sensor has timed out; run duration of 600 seconds")

    monkeypatch.setattr("airflow.sdk.BaseSensorOperator.execute", give_up)
    waiting = RawDataSensor(task_id="wait", topic="quotes", since=SINCE)
    with pytest.raises(AirflowSensorTimeout, match=f"no record of quotes was landed since {SINCE[:-6]}.*consumer of"):
        waiting.execute({})
