"""What only Snowflake can show; the tests in tests/loader run on both dialects."""

import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from prometheus_client import CollectorRegistry
from snowflake.connector import SnowflakeConnection

from stockpipe.common.cli import run_program
from stockpipe.common.contracts.manifests import ProcessedManifest
from stockpipe.common.contracts.tables import DAILY_STOCK_METRICS, REALTIME_STOCK_ANALYTICS
from stockpipe.common.errors import ConfigError, PipelineError
from stockpipe.common.lake.manifests import commit_processed
from stockpipe.common.logs import configure_logs
from stockpipe.common.metrics import LoaderMetrics
from stockpipe.common.warehouse.reader import open_reader
from stockpipe.loader import checks, load
from stockpipe.loader.cli import Loader
from stockpipe.loader.load import LoadResult
from stockpipe.loader.open import open_warehouse
from stockpipe.loader.settings import WatchSettings
from stockpipe.loader.watch import Watcher
from support.loading import SnowflakeSite
from support.processed import NOW, daily_row, manifest_of, window_row, write_batch, write_table

BATCH = "20240514T150000Z-daily"


def many_rows(site: SnowflakeSite, rows: int) -> ProcessedManifest:
    row = daily_row(batch_id=BATCH)
    schema = DAILY_STOCK_METRICS.arrow_schema
    columns = {
        field.name: pa.array([row[field.name]] * rows if field.name != "symbol" else [f"S{n}" for n in range(rows)])
        for field in schema
    }
    file = write_table(site.store, "processed/many.parquet", pa.table(columns))
    return commit_processed(site.store, manifest_of("daily", BATCH, [file]))


def test_a_second_and_a_third_load_change_nothing_and_take_a_fifth_at_most(site: SnowflakeSite) -> None:
    manifest = many_rows(site, 20_000)
    seconds, results = [], []
    with site.warehouse().open() as session:
        for _ in range(3):
            started = time.monotonic()
            results.append(load.load_batch(session, site.store, manifest, site.clock))
            seconds.append(time.monotonic() - started)
            if len(results) == 1:
                before = site.rows(DAILY_STOCK_METRICS), site.ledger()
    assert [(result.already_loaded, result.inserted) for result in results] == [(False, 20_000)] + [(True, 20_000)] * 2
    assert (site.rows(DAILY_STOCK_METRICS), site.ledger()) == before
    assert max(seconds[1:]) <= 0.2 * seconds[0], seconds


def test_loaders_at_once_load_each_batch_once(site: SnowflakeSite, monkeypatch: pytest.MonkeyPatch) -> None:
    """All four have checked their batch before the first transaction begins."""
    manifests = [
        write_batch(site.store, "daily", f"20240514T15000{number}Z-x", [daily_row(symbol=f"S{number}"), daily_row()])
        for number in range(2)
    ]
    together, check = threading.Barrier(4), checks.run_checks

    def check_then_wait(*arguments: Any) -> tuple[checks.Result, ...]:
        results = check(*arguments)
        together.wait(timeout=60)
        return results

    monkeypatch.setattr(load, "run_checks", check_then_wait)

    def one_load(manifest: ProcessedManifest) -> LoadResult:
        with site.warehouse().open() as session:
            return load.load_batch(session, site.store, manifest, site.clock)

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(one_load, manifests * 2))
    assert sorted((result.batch_id, result.already_loaded) for result in results) == [
        (manifest.batch_id, loaded) for manifest in manifests for loaded in (False, True)
    ]
    assert [row["symbol"] for row in site.rows(DAILY_STOCK_METRICS)] == ["AAPL", "S0", "S1"]
    assert sorted((row["inserted"], row["stale"]) for row in site.ledger()) == [(1, 1), (2, 0)]


def test_every_statement_of_a_load_carries_its_tag(site: SnowflakeSite, monkeypatch: pytest.MonkeyPatch) -> None:
    tags: list[dict[str, str]] = []
    send: Callable[..., Any] = SnowflakeConnection.cmd_query

    def note_and_send(connection: SnowflakeConnection, sql: str, *arguments: Any, **more: Any) -> Any:
        # PUT asks a second time for where to put the file, by itself and under the session's tag.
        if more["statement_params"]:
            tags.append(json.loads(more["statement_params"]["QUERY_TAG"]))
        return send(connection, sql, *arguments, **more)

    manifest = write_batch(site.store, "daily", BATCH, [daily_row()])
    with site.warehouse().open() as session:
        monkeypatch.setattr(SnowflakeConnection, "cmd_query", note_and_send)
        load.load_batch(session, site.store, manifest, site.clock)
        monkeypatch.undo()
    assert len(tags) > 10
    assert all(tag == {"service": "loader", "dataset": "daily", "batch_id": BATCH} for tag in tags), tags


def test_check_connection_is_one_line(site: SnowflakeSite, monkeypatch: Any, capsys: Any) -> None:
    for name, value in site.environment().items():
        monkeypatch.setenv(name, value)
    commands = Loader(site.clock, open_warehouse).commands
    with pytest.raises(SystemExit) as left:
        run_program("stockpipe-loader", commands, ["check-connection"])
    batch, stream = "STOCKMARKETBATCH", "STOCKMARKETSTREAM"
    # fakesnow doesn't tell a session its role and warehouse.
    assert left.value.code == 0
    assert capsys.readouterr().out == (
        "snowflake://fakesnow: reachable; Snowflake 10.0.0, account fakesnow, user loader, role none, "
        f"warehouse none; tables present: {batch}.DAILY_STOCK_METRICS, {batch}.LOADED_BATCHES, "
        f"{batch}.DATA_QUALITY_RESULTS, {stream}.REALTIME_STOCK_ANALYTICS, {stream}.LOADED_BATCHES, "
        f"{stream}.DATA_QUALITY_RESULTS\n"
    )


def test_an_unreachable_server_ends_a_program_with_3_and_a_missing_log_in_with_2(
    site: SnowflakeSite, monkeypatch: Any, capsys: Any
) -> None:
    for name, value in site.environment().items():
        monkeypatch.setenv(name, value)
    commands = Loader(site.clock, open_warehouse).commands
    away = ["check-connection", "--snowflake-host", "http://127.0.0.1:1", "--snowflake-login-seconds", "1"]
    with pytest.raises(SystemExit) as left:
        run_program("stockpipe-loader", commands, away)
    assert (left.value.code, capsys.readouterr().out) == (3, "")
    monkeypatch.delenv("SNOWFLAKE_PASSWORD")
    with pytest.raises(SystemExit) as left:
        run_program("stockpipe-loader", commands, ["check-connection"])
    assert left.value.code == 2
    assert capsys.readouterr().err.startswith("stockpipe-loader: error: WAREHOUSE_URL=snowflake:// needs SNOWFLAKE_PR")


def test_watch_loads_what_is_new(site: SnowflakeSite) -> None:
    settings = WatchSettings.model_validate(
        {name.lower(): value for name, value in site.environment().items()} | {"log_level": "error"}
    )
    metrics, log = LoaderMetrics(CollectorRegistry()), configure_logs("loader", "error")
    watcher = Watcher(site.warehouse(), site.store, settings, site.clock, metrics, log)
    write_batch(site.store, "realtime_live", "20240514T150200Z-b", [window_row()])
    write_batch(site.store, "daily", "20240514T150100Z-a", [daily_row()])
    assert watcher.poll(threading.Event()) is False
    assert [row["batch_id"] for row in site.ledger()] == ["20240514T150100Z-a", "20240514T150200Z-b"]


def test_the_stage_may_lie_in_another_database(site: SnowflakeSite, monkeypatch: Any) -> None:
    monkeypatch.setenv("SNOWFLAKE_DATABASE", "STOCKMARKETSTREAM")
    site.load(write_batch(site.store, "daily", BATCH, [daily_row()]))
    assert len(site.rows(DAILY_STOCK_METRICS)) == 1


def test_values_and_types_come_back_through_the_reader(site: SnowflakeSite) -> None:
    fetched = datetime(2024, 5, 14, 14, 59, 59, 123456, UTC)
    rows = [daily_row(symbol="BRK^A", source_fetched_at=fetched, adj_close=None), daily_row(symbol="é'☂")]
    site.load(write_batch(site.store, "daily", BATCH, rows))
    with open_reader(site.settings) as reader:
        name = reader.qualified(DAILY_STOCK_METRICS)
        found = reader.query(f"SELECT * FROM {name} WHERE symbol = ? AND date = ?", ["BRK^A", date(2024, 5, 13)])
        none = reader.query(f"SELECT * FROM {name} WHERE source_fetched_at > ?", [NOW.replace(tzinfo=None)])
        assert reader.query(f"SELECT symbol FROM {name} WHERE symbol = ?", ["é'☂"]).num_rows == 1
        assert reader.query(f"SELECT symbol FROM {name} WHERE symbol = ?", ["' OR '1'='1"]).num_rows == 0
    assert found.cast(DAILY_STOCK_METRICS.arrow_schema).to_pylist() == [
        rows[0]
        | {"source_fetched_at": fetched.replace(tzinfo=None), "batch_id": BATCH}
        | {"processed_at": (NOW - timedelta(minutes=1)).replace(tzinfo=None)}
    ]
    assert (none.num_rows, none.schema) == (0, found.schema)


def test_a_wrong_statement_is_one_clear_line(site: SnowflakeSite) -> None:
    with open_reader(site.settings) as reader:
        with pytest.raises(ConfigError, match=r"^Snowflake: .*NOPE.*SNOWFLAKE_ROLE") as missing:
            reader.query(f"SELECT * FROM STOCKMARKETBATCH.{site.schema}.NOPE")
        with pytest.raises(PipelineError, match=r"^Snowflake: ") as wrong:
            reader.query("SELEC 1")
    assert "\n" not in str(missing.value) + str(wrong.value)


def test_a_column_with_another_scale_is_another_type(site: SnowflakeSite) -> None:
    site.execute("ALTER TABLE STOCKMARKETSTREAM.REALTIME_STOCK_ANALYTICS DROP COLUMN volume_sum_1h")
    site.execute("ALTER TABLE STOCKMARKETSTREAM.REALTIME_STOCK_ANALYTICS ADD COLUMN volume_sum_1h NUMBER(20, 2)")
    with site.warehouse().open() as session:
        assert session.columns(REALTIME_STOCK_ANALYTICS)["volume_sum_1h"] == "NUMBER(20,2)"
