"""The finished run's lake, loaded into Snowflake: the auditor's books and traces are those it makes with DuckDB."""

import json
import os
import subprocess
from typing import Any, get_args

import pytest

from integration.conftest import Finished
from stockpipe.common.clock import SystemClock
from stockpipe.common.contracts.manifests import DatasetName, decode_processed
from stockpipe.common.lake.manifests import processed_keys
from stockpipe.loader.load import load_batch
from support.loading import SnowflakeSite
from support.programs import program_path


@pytest.fixture(scope="module")
def loaded(finished: Finished, snowflake_server: str) -> SnowflakeSite:
    site = SnowflakeSite(finished.folder.path, server=snowflake_server, schema="FINISHED")
    site.migrate()
    # Oldest first, as the run loaded them: of two rows of equal version the first stays.
    manifests = [
        decode_processed(key, site.store.get(key))
        for dataset in get_args(DatasetName)
        for key in processed_keys(site.store, dataset, None)
    ]
    with site.warehouse().open() as session:
        for manifest in sorted(manifests, key=lambda manifest: manifest.batch_id):
            load_batch(session, site.store, manifest, SystemClock())
    return site


def audit(site: SnowflakeSite, *arguments: str) -> Any:
    done = subprocess.run(
        [program_path("stockpipe-auditor"), *arguments, "--json"],
        env=os.environ | site.environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_the_books_balance_as_with_duckdb(finished: Finished, loaded: SnowflakeSite) -> None:
    broker = ["--kafka-bootstrap-server", finished.broker.bootstrap]
    books = audit(loaded, "books", *broker)
    assert (books["balanced"], books["findings"]) == (True, [])
    assert books["unaccounted"] == {"kafka-raw": 0, "raw-processed": 0, "processed-warehouse": 0}
    of_demo = audit(loaded, "books", *broker, "--warehouse-url", finished.folder.warehouse_url)
    # What checks find depends on the order and the time of the loads.
    for found in (books, of_demo):
        found.pop("broken_checks")
    assert books == of_demo


@pytest.mark.parametrize(
    "row",
    [("AAPL", "--date", "2012-09-19"), ("IBM", "--window-start", "2013-03-01T16:00:00Z")],
    ids=["daily", "window"],
)
def test_a_row_is_traced_as_with_duckdb(finished: Finished, loaded: SnowflakeSite, row: tuple[str, ...]) -> None:
    found = audit(loaded, "trace", "--symbol", *row)
    expected = audit(loaded, "trace", "--symbol", *row, "--warehouse-url", finished.folder.warehouse_url)
    assert found["loaded"].pop("loaded_at") != expected["loaded"].pop("loaded_at")
    assert found == expected
