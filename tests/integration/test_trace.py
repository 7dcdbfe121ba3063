"""From a warehouse row back to the requests that fetched its data."""

import json
import subprocess
from typing import Any

import pytest

from integration.conftest import Finished
from support.programs import program_path


def trace(finished: Finished, *flags: str) -> subprocess.CompletedProcess[str]:
    command = [program_path("stockpipe-auditor"), "trace", *flags]
    command += ["--lake-url", finished.folder.lake_url, "--warehouse-url", finished.folder.warehouse_url]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def as_json(finished: Finished, *flags: str) -> dict[str, Any]:
    done = trace(finished, *flags, "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_daily_row_leads_to_its_31_bars(finished: Finished) -> None:
    found = as_json(finished, "--symbol", "AAPL", "--date", "2012-09-19")
    assert found["row"]["daily_close"] == 702.1
    assert found["batch"]["dataset"] == "daily"
    moments = [source["moment"] for source in found["sources"]]
    assert (len(moments), moments[0], moments[-1]) == (31, "2012-08-07", "2012-09-19")
    assert {source["request"].split("..")[0] for source in found["sources"]} == {"sample bars AAPL 1990-01-01"}
    assert len({source["fetch_id"] for source in found["sources"]}) == 1
    lake = finished.folder.path / "lake"
    assert all((lake / source["raw_object"]).is_file() for source in found["sources"])
    assert all((lake / source["raw_manifest"]).is_file() for source in found["sources"])


def test_a_window_leads_to_the_quotes_of_its_hour(finished: Finished) -> None:
    found = as_json(finished, "--symbol", "IBM", "--window-start", "2013-03-01T16:00:00Z")
    assert len(found["sources"]) == found["row"]["record_count_1h"] == 120
    offsets = [source["offset"] for source in found["sources"]]
    assert (min(offsets), max(offsets)) == (found["row"]["first_offset"], found["row"]["last_offset"])
    assert len({source["fetch_id"] for source in found["sources"]}) == 120
    assert found["sources"][0]["request"] == "sample quotes of 2013-03-01 tick 90 of 781"


def test_the_text_reads_from_the_row_to_the_request(finished: Finished) -> None:
    done = trace(finished, "--symbol", "FB", "--date", "2012-05-18")
    assert done.returncode == 0
    for words in (
        "STOCKMARKETBATCH.DAILY_STOCK_METRICS",
        "daily_close: 38.23",
        "loaded at",
        "1 raw rows",
        "sample bars FB",
    ):
        assert words in done.stdout


@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        (["--symbol", "AAPL"], 2, "give either DATE (--date) or WINDOW_START (--window-start)"),
        (["--symbol", "AAPL", "--date", "2012-09-22"], 1, "DAILY_STOCK_METRICS has no row of AAPL at 2012-09-22"),
        (["--symbol", "NOPE", "--date", "2012-09-19"], 1, "has no row of NOPE"),
        (["--date", "2012-09-19"], 2, "SYMBOL (--symbol) is required"),
    ],
)
def test_what_is_not_there_is_named(finished: Finished, flags: list[str], code: int, message: str) -> None:
    done = trace(finished, *flags)
    assert done.returncode == code
    assert message in done.stderr.splitlines()[-1]
