"""Break the finished run on purpose: the books name what is wrong and the program exits with 1."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from integration.conftest import Finished
from stockpipe.standalone.run_folder import RunFolder
from support.programs import program_path


class Copy:
    """A copy of the finished run, to be damaged."""

    def __init__(self, finished: Finished, folder: Path) -> None:
        self.folder = RunFolder(folder)
        self._bootstrap = finished.broker.bootstrap
        source = finished.folder.path
        shutil.copytree(source / "lake", folder / "lake")
        for name in ("warehouse.duckdb", "warehouse.duckdb.snapshot"):
            shutil.copy2(source / name, folder / name)

    def find(self, pattern: str) -> Path:
        return sorted((self.folder.path / "lake").glob(pattern))[0]

    def edit(self, pattern: str, change: Callable[[Any], None]) -> str:
        path = self.find(pattern)
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))
        return path.name

    def sql(self, statement: str) -> None:
        with duckdb.connect(str(self.folder.path / "warehouse.duckdb.snapshot")) as database:
            database.execute(statement)

    def books(self, *flags: str) -> tuple[int, dict[str, Any]]:
        command = [program_path("stockpipe-auditor"), "books", "--json", "--kafka-bootstrap-server", self._bootstrap]
        command += ["--lake-url", self.folder.lake_url, "--warehouse-url", self.folder.warehouse_url, *flags]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)


@pytest.fixture
def copy(finished: Finished, tmp_path: Path) -> Copy:
    return Copy(finished, tmp_path)


QUOTES = "raw/_manifests/stock-market-realtime/partition=03"


def drop_raw_object(copy: Copy) -> str:
    path = copy.find("raw/historical/**/GOOG_*.csv")
    path.unlink()
    return path.name


def change_raw_object(copy: Copy) -> str:
    path = copy.find("raw/realtime/**/*_p03_*.csv")
    path.write_text(path.read_text().replace("simulated", "livelived", 1))
    return path.name


def drop_raw_manifest(copy: Copy) -> str:
    copy.find("raw/_manifests/stock-market-batch/partition=05/*.json").unlink()
    return "stock-market-batch partition 5: offsets 0 to 3269"


def drop_middle_manifest(copy: Copy) -> str:
    manifests = sorted((copy.folder.path / "lake" / QUOTES).iterdir())
    assert len(manifests) >= 3
    manifests[1].unlink()
    return "stock-market-realtime partition 3: offsets"


def drop_last_manifest(copy: Copy) -> str:
    sorted((copy.folder.path / "lake" / QUOTES).iterdir())[-1].unlink()
    return "although the consumer committed them"


def change_raw_count(copy: Copy) -> str:
    return copy.edit(f"{QUOTES}/*.json", lambda manifest: manifest.update(records=manifest["records"] + 1))


def change_rejected_count(copy: Copy) -> str:
    def change(manifest: Any) -> None:
        manifest.update(rejected=1, skipped=-1)

    return copy.edit(f"{QUOTES}/*.json", change)


def garble_manifest(copy: Copy) -> str:
    path = copy.find(f"{QUOTES}/*.json")
    path.write_text("{")
    return path.name


def drop_processed_file(copy: Copy) -> str:
    path = copy.find("processed/historical/**/symbol=IBM/*.parquet")
    path.unlink()
    return path.name


def drop_processed_manifest(copy: Copy) -> str:
    path = copy.find("processed/_manifests/daily/**/*.json")
    path.unlink()
    return path.stem


def change_processed_count(copy: Copy) -> str:
    return copy.edit(
        "processed/_manifests/daily/**/*.json",
        lambda manifest: manifest.update(rows_in=manifest["rows_in"] - 7, rows_out=manifest["rows_out"] - 7),
    )


def change_dropped_count(copy: Copy) -> str:
    return copy.edit(
        "processed/_manifests/realtime/**/*.json", lambda manifest: manifest["rows_dropped"].update(duplicate=3)
    )


def drop_stream_manifest(copy: Copy) -> str:
    sorted((copy.folder.path / "lake/processed/_manifests/realtime_live").glob("**/*.json"))[0].unlink()
    return "LOADED_BATCHES lists it"


def drop_daily_row(copy: Copy) -> str:
    copy.sql("DELETE FROM STOCKMARKETBATCH.DAILY_STOCK_METRICS WHERE symbol = 'AAPL' AND date = '2010-03-01'")
    return "1 rows missing: AAPL 2010-03-01"


def change_daily_row(copy: Copy) -> str:
    copy.sql(
        "UPDATE STOCKMARKETBATCH.DAILY_STOCK_METRICS SET sma_5 = sma_5 + 1e-9 "
        "WHERE symbol = 'FB' AND date = '2013-02-28'"
    )
    return "1 rows changed since they were processed: FB 2013-02-28"


def double_daily_row(copy: Copy) -> str:
    table = "STOCKMARKETBATCH.DAILY_STOCK_METRICS"
    copy.sql(f"INSERT INTO {table} SELECT * FROM {table} WHERE symbol = 'IBM' AND date = '2013-02-28'")
    return "1 rows there more than once: IBM 2013-02-28"


def invent_daily_row(copy: Copy) -> str:
    table = "STOCKMARKETBATCH.DAILY_STOCK_METRICS"
    copy.sql(f"INSERT INTO {table} SELECT * REPLACE ('TSLA' AS symbol) FROM {table} WHERE symbol = 'IBM' LIMIT 1")
    return "1 rows in no loaded batch: TSLA"


def change_window_count(copy: Copy) -> str:
    copy.sql(
        "UPDATE STOCKMARKETSTREAM.REALTIME_STOCK_ANALYTICS SET record_count_15m = 29 "
        "WHERE symbol = 'MSFT' AND window_start = '2013-03-01 15:00:00'"
    )
    return "MSFT window 2013-03-01 15:00:00: counts 29 quotes, the raw lake holds 30"


def drop_window(copy: Copy) -> str:
    copy.sql(
        "DELETE FROM STOCKMARKETSTREAM.REALTIME_STOCK_ANALYTICS "
        "WHERE symbol = 'MSFT' AND window_start = '2013-03-01 15:00:00'"
    )
    return "MSFT window 2013-03-01 15:00:00: doesn't know 30 quotes that the stream has read"


def change_ledger(copy: Copy) -> str:
    copy.sql("UPDATE STOCKMARKETBATCH.LOADED_BATCHES SET rows = rows + 1")
    return "LOADED_BATCHES says 12155 rows, the manifest 12154"


DAMAGES = [
    drop_raw_object,
    change_raw_object,
    drop_raw_manifest,
    drop_middle_manifest,
    drop_last_manifest,
    change_raw_count,
    change_rejected_count,
    garble_manifest,
    drop_processed_file,
    drop_processed_manifest,
    change_processed_count,
    change_dropped_count,
    drop_stream_manifest,
    drop_daily_row,
    change_daily_row,
    double_daily_row,
    invent_daily_row,
    change_window_count,
    drop_window,
    change_ledger,
]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_damage_is_named_and_exits_with_1(copy: Copy, damage: Callable[[Copy], str]) -> None:
    named = damage(copy)
    code, books = copy.books()
    texts = [f"{finding['subject']}: {finding['detail']}" for finding in books["findings"]]
    assert code == 1
    assert not books["balanced"]
    assert any(named in text for text in texts), texts
    assert sum(books["unaccounted"].values()) > 0


def test_undamaged_books_balance(copy: Copy) -> None:
    code, books = copy.books()
    assert (code, books["balanced"], books["findings"]) == (0, True, [])
    assert sum(partition["raw_rows"] for partition in books["partitions"]) == 12_154 + 3_905
    assert books["unaccounted"] == {"kafka-raw": 0, "raw-processed": 0, "processed-warehouse": 0}


def test_a_period_leaves_out_what_was_done_on_other_days(copy: Copy) -> None:
    drop_raw_object(copy)
    code, books = copy.books("--from", "1999-01-01", "--to", "1999-12-31")
    assert code == 0
    assert sum(partition["raw_rows"] for partition in books["partitions"]) == 0
    assert copy.books("--from", "2026-01-01")[0] == 1


def test_reversed_days_are_refused(copy: Copy) -> None:
    command = [program_path("stockpipe-auditor"), "books", "--from", "2026-01-02", "--to", "2026-01-01"]
    command += ["--kafka-bootstrap-server", "127.0.0.1:1", "--lake-url", copy.folder.lake_url]
    command += ["--warehouse-url", copy.folder.warehouse_url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "FROM (--from) 2026-01-02 is after TO (--to) 2026-01-01; swap them" in done.stderr
