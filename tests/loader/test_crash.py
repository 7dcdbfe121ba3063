"""kill -9 at the two instants around COMMIT: nothing is lost, nothing is loaded twice, readers catch up."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from stockpipe.common.contracts.tables import DAILY_STOCK_METRICS
from support.loading import ON_BOTH, Site
from support.processed import daily_row, write_batch
from support.programs import program_path

BATCH = "20240514T150000Z-daily"
LOAD = ["load", "--dataset", "daily", "--batch-id", BATCH]


def dying(site: Site, when: str) -> None:
    script = Path(__file__).with_name("dying_loader.py")
    done = subprocess.run(
        [sys.executable, script, when, *LOAD],
        env=os.environ | site.environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


def load(site: Site) -> dict[str, object]:
    done = subprocess.run(
        [program_path("stockpipe-loader"), *LOAD],
        env=os.environ | site.environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    summary: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return summary


def agree(site: Site, rows: int) -> bool:
    """Return whether the table has that many rows and the ledger explains them all."""
    explained: int = sum(row["inserted"] for row in site.ledger())
    return len(site.rows(DAILY_STOCK_METRICS)) == explained == rows


@pytest.fixture
def loaded(site: Site) -> Site:
    """A warehouse with one batch, and another batch in the lake."""
    site.load(write_batch(site.store, "daily", "20240514T140000Z-daily", [daily_row()]))
    write_batch(site.store, "daily", BATCH, [daily_row(symbol="B"), daily_row(symbol="C")])
    return site


@ON_BOTH
def test_killed_before_commit_nothing_remains_and_the_next_run_loads_it_once(loaded: Site) -> None:
    dying(loaded, "before-commit")
    assert agree(loaded, 1)
    summary = load(loaded)
    assert (summary["already_loaded"], summary["inserted"]) == (False, 2)
    assert agree(loaded, 3)
    assert load(loaded)["already_loaded"] is True
    assert agree(loaded, 3)


@ON_BOTH
def test_killed_after_commit_the_next_run_only_publishes(loaded: Site) -> None:
    dying(loaded, "after-commit")
    seen = 3 if loaded.url.startswith("snowflake") else 1
    assert agree(loaded, seen), "readers of DuckDB still see the older state, whole"
    summary = load(loaded)
    assert (summary["already_loaded"], summary["inserted"]) == (True, 2)
    assert agree(loaded, 3)


def test_killed_while_publishing_readers_keep_the_older_state(loaded: Site) -> None:
    dying(loaded, "after-commit")
    loaded.database.with_name("warehouse.duckdb.snapshot.unfinished").write_bytes(b"half a copy")
    assert agree(loaded, 1)
    load(loaded)
    assert agree(loaded, 3)
    left = {path.name for path in loaded.folder.iterdir() if path.is_file()}
    assert left == {"warehouse.duckdb", "warehouse.duckdb.snapshot"}


def test_a_lost_copy_is_made_again_by_any_run(loaded: Site) -> None:
    (loaded.folder / "warehouse.duckdb.snapshot").unlink()
    loaded.migrate()
    assert agree(loaded, 1)
