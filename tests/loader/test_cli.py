"""The command line: exit codes, one-line errors, the JSON summary."""

import json
import re
import signal
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from stockpipe.common.cli import run_program
from stockpipe.loader.cli import Loader
from stockpipe.loader.open import open_warehouse
from support.loading import Site
from support.processed import daily_row, write_batch

BATCH = "20240514T150000Z-daily"
DAILY_CHECKS = [
    {"check": "actions_named", "level": "warn", "rows": 0},
    {"check": "adjusted", "level": "warn", "rows": 0},
    {"check": "deviations", "level": "fail", "rows": 0},
    {"check": "fresh", "level": "warn", "rows": 0},
    {"check": "no_future", "level": "fail", "rows": 0},
    {"check": "price_order", "level": "fail", "rows": 0},
    {"check": "prices", "level": "fail", "rows": 0},
    {"check": "restated", "level": "warn", "rows": 0},
    {"check": "row_count", "level": "fail", "rows": 0},
    {"check": "sessions", "level": "warn", "rows": 0},
    {"check": "unexplained_jump", "level": "warn", "rows": 0},
    {"check": "unique_key", "level": "fail", "rows": 0},
    {"check": "volume_anomaly", "level": "warn", "rows": 0},
    {"check": "volume_trend", "level": "fail", "rows": 0},
    {"check": "volumes", "level": "fail", "rows": 0},
]


class Program:
    """Runs commands in this process, on the site's clock."""

    def __init__(self, site: Site, capsys: pytest.CaptureFixture[str]) -> None:
        self.site = site
        self._capsys = capsys

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            run_program("stockpipe-loader", Loader(self.site.clock, open_warehouse).commands, arguments)
        out, err = self._capsys.readouterr()
        code = left.value.code
        assert isinstance(code, int)
        return code, out, err

    def load(self, dataset: str, batch_id: str = BATCH, *more: str) -> tuple[int, str, str]:
        return self("load", "--dataset", dataset, "--batch-id", batch_id, *more)


@pytest.fixture
def program(site: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Program]:
    for name, value in site.environment().items():
        monkeypatch.setenv(name, value)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield Program(site, capsys)
    for number, handler in handlers.items():
        signal.signal(number, handler)


def test_load_prints_its_summary_as_the_last_line(program: Program) -> None:
    write_batch(program.site.store, "daily", BATCH, [daily_row(), daily_row(symbol="B")])
    code, out, err = program.load("daily")
    expected: dict[str, Any] = {
        "dataset": "daily",
        "batch_id": BATCH,
        "already_loaded": False,
        "files": 2,
        "rows": 2,
        "inserted": 2,
        "updated": 0,
        "stale": 0,
        "checks": DAILY_CHECKS,
    }
    assert (code, err) == (0, "")
    assert json.loads(out.splitlines()[-1]) == expected
    code, out, _ = program.load("daily")
    assert code == 0
    assert json.loads(out.splitlines()[-1]) == expected | {"already_loaded": True}


def found_rows(out: str) -> dict[str, int]:
    """Return the rows of the checks that found some, by the summary."""
    return {each["check"]: each["rows"] for each in json.loads(out)["checks"] if each["rows"]}


def test_a_warning_is_logged_and_summed_up(program: Program) -> None:
    write_batch(program.site.store, "daily", BATCH, [daily_row(date=date(2013, 2, 28))])
    code, out, err = program.load("daily")
    assert code == 0
    assert found_rows(out) == {"fresh": 1}
    assert json.loads(err)["check"] == "fresh"


def test_a_failed_check_is_one_line_with_name_and_count(program: Program) -> None:
    write_batch(
        program.site.store, "daily", BATCH, [daily_row(daily_volume=-1), daily_row(symbol="B", daily_volume=-1)]
    )
    code, out, err = program.load("daily")
    assert code == 1
    assert json.loads(out).keys() == {"dataset", "batch_id", "checks"}
    assert found_rows(out) == {"volumes": 2}
    assert (
        err == "stockpipe-loader: error: checks failed, rows by check: "
        "volumes (volumes are 0 or more): 2, such as AAPL 2024-05-13, B 2024-05-13\n"
    )


@pytest.mark.parametrize(
    ("dataset", "batch_id", "message"),
    [
        ("daly", BATCH, r"DATASET \(--dataset\)='daly': input should be 'daily', 'realtime' or 'realtime_live'"),
        (
            "daily",
            BATCH,
            rf"dataset daily has no batch {BATCH}: processed/_manifests/daily/.*/{BATCH}\.json is missing",
        ),
        ("daily", "yesterday", r"batch id 'yesterday' must look like 20261123T143000Z-name"),
        ("daily", "../../x", r"batch id '\.\./\.\./x' must look like"),
    ],
)
def test_a_batch_that_is_none_is_named(program: Program, dataset: str, batch_id: str, message: str) -> None:
    code, out, err = program.load(dataset, batch_id)
    assert (code, out) == (2, "")
    assert re.fullmatch(rf"stockpipe-loader: error: {message}.*\n", err), err


@pytest.mark.parametrize("command", ["migrate", "check-connection"])
@pytest.mark.parametrize(
    ("url", "message"),
    [
        (
            "oracle://h/x",
            r"WAREHOUSE_URL must be duckdb:///absolute/file\.duckdb or snowflake://; its scheme 'oracle' is unknown",
        ),
        ("duckdb://relative/x.duckdb", r"WAREHOUSE_URL '.*' must be duckdb:///absolute/file\.duckdb"),
    ],
)
def test_a_bad_url_is_one_line(program: Program, command: str, url: str, message: str) -> None:
    code, out, err = program(command, "--warehouse-url", url)
    assert (code, out) == (2, "")
    assert re.fullmatch(rf"stockpipe-loader: error: {message}\n", err), err


def test_a_folder_that_can_not_be_written_is_one_line(program: Program, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, out, err = program("migrate", "--warehouse-url", f"duckdb://{tmp_path}/file/w.duckdb")
    assert (code, out) == (2, "")
    assert re.fullmatch(r"stockpipe-loader: error: WAREHOUSE_URL '.*w\.duckdb': can't make its folder: .*\n", err), err


def test_a_file_that_is_no_database_is_one_line(program: Program, tmp_path: Path) -> None:
    (tmp_path / "w.duckdb").write_bytes(b"no database " * 1000)
    code, _, err = program("migrate", "--warehouse-url", f"duckdb://{tmp_path}/w.duckdb")
    assert code == 2
    assert "not a valid DuckDB database" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "command", [("load", "--dataset", "daily", "--batch-id", BATCH), ("check-connection",), ("watch",)]
)
def test_a_warehouse_that_is_not_there_tells_what_to_run(
    program: Program, tmp_path: Path, command: tuple[str, ...]
) -> None:
    write_batch(program.site.store, "daily", BATCH, [daily_row()])
    code, _, err = program(*command, "--warehouse-url", f"duckdb://{tmp_path}/none/w.duckdb")
    assert code == 2
    assert err.splitlines()[-1].endswith("w.duckdb': no such file; run `stockpipe-loader migrate`")
    assert not (tmp_path / "none").exists()


def test_migrate_tells_what_it_did(program: Program, tmp_path: Path) -> None:
    url = f"duckdb://{tmp_path}/new/w.duckdb"
    assert program("migrate", "--warehouse-url", url)[1].splitlines() == [
        "STOCKMARKETBATCH.DAILY_STOCK_METRICS: created",
        "STOCKMARKETBATCH.LOADED_BATCHES: created",
        "STOCKMARKETBATCH.DATA_QUALITY_RESULTS: created",
        "STOCKMARKETSTREAM.REALTIME_STOCK_ANALYTICS: created",
        "STOCKMARKETSTREAM.LOADED_BATCHES: created",
        "STOCKMARKETSTREAM.DATA_QUALITY_RESULTS: created",
    ]
    code, out, _ = program("migrate", "--warehouse-url", url)
    assert code == 0
    assert out.count(": up to date\n") == 6


def test_check_connection_is_one_line(program: Program) -> None:
    code, out, _ = program("check-connection")
    assert code == 0
    batch, stream = "STOCKMARKETBATCH", "STOCKMARKETSTREAM"
    assert out == (
        f"{program.site.url}: reachable; DuckDB {duckdb.__version__}; tables present: {batch}.DAILY_STOCK_METRICS, "
        f"{batch}.LOADED_BATCHES, {batch}.DATA_QUALITY_RESULTS, {stream}.REALTIME_STOCK_ANALYTICS, "
        f"{stream}.LOADED_BATCHES, {stream}.DATA_QUALITY_RESULTS\n"
    )
    program.site.execute("DROP TABLE STOCKMARKETBATCH.LOADED_BATCHES")
    code, out, _ = program("check-connection")
    assert code == 0
    assert "tables missing: STOCKMARKETBATCH.LOADED_BATCHES (run `stockpipe-loader migrate`)" in out
    assert out.count("\n") == 1
