"""Readers see whole published states, and neither block the loader nor wait for it."""

import subprocess
import sys
from pathlib import Path

import pytest

from stockpipe.common.contracts.tables import DAILY_STOCK_METRICS, REALTIME_STOCK_ANALYTICS
from stockpipe.common.errors import ConfigError, PipelineError, Unavailable
from stockpipe.common.settings import WarehouseSettings
from stockpipe.common.warehouse.ledger import DATABASES, loaded_batches
from stockpipe.common.warehouse.reader import open_reader
from support.loading import Site
from support.processed import daily_row, write_batch

COUNT = "SELECT COUNT(*) AS n FROM STOCKMARKETBATCH.DAILY_STOCK_METRICS"


def test_names_are_qualified_by_database(site: Site) -> None:
    with open_reader(site.settings) as reader:
        assert reader.qualified(DAILY_STOCK_METRICS) == "STOCKMARKETBATCH.DAILY_STOCK_METRICS"
        assert reader.qualified(REALTIME_STOCK_ANALYTICS) == "STOCKMARKETSTREAM.REALTIME_STOCK_ANALYTICS"
        assert [reader.qualified(loaded_batches(database)) for database in DATABASES] == [
            "STOCKMARKETBATCH.LOADED_BATCHES",
            "STOCKMARKETSTREAM.LOADED_BATCHES",
        ]


def test_parameters_are_values_and_never_sql(site: Site) -> None:
    site.load(write_batch(site.store, "daily", "20240514T150000Z-x", [daily_row(), daily_row(symbol="B")]))
    with open_reader(site.settings) as reader:
        sql = f"SELECT symbol FROM {reader.qualified(DAILY_STOCK_METRICS)} WHERE symbol = ? AND daily_close > ?"
        assert reader.query(sql, ["B", 1.0]).to_pylist() == [{"symbol": "B"}]
        assert reader.query(sql, ["' OR '1'='1", 1.0]).num_rows == 0


def test_types_come_back_as_the_contract_has_them(site: Site) -> None:
    site.load(write_batch(site.store, "daily", "20240514T150000Z-x", [daily_row()]))
    with open_reader(site.settings) as reader:
        found = reader.query(f"SELECT * FROM {reader.qualified(DAILY_STOCK_METRICS)}")
    expected = DAILY_STOCK_METRICS.arrow_schema
    assert [(field.name, field.type) for field in found.schema] == [(field.name, field.type) for field in expected]


def test_an_open_reader_keeps_its_state_and_a_new_one_sees_the_newer(site: Site) -> None:
    site.load(write_batch(site.store, "daily", "20240514T150000Z-a", [daily_row()]))
    with open_reader(site.settings) as before:
        site.load(write_batch(site.store, "daily", "20240514T150000Z-b", [daily_row(symbol="B")]))
        with open_reader(site.settings) as after:
            assert before.query(COUNT).to_pylist() == [{"n": 1}]
            assert after.query(COUNT).to_pylist() == [{"n": 2}]


def test_a_reader_in_another_process_holds_its_copy_while_the_loader_works(site: Site) -> None:
    site.load(write_batch(site.store, "daily", "20240514T150000Z-a", [daily_row()]))
    program = f"""
import sys
from stockpipe.common.settings import WarehouseSettings
from stockpipe.common.warehouse.reader import open_reader
with open_reader(WarehouseSettings(warehouse_url={site.url!r})) as reader:
    for line in sys.stdin:
        print(reader.query({COUNT!r}).to_pylist()[0]["n"], flush=True)
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout

        def ask() -> str:
            assert process.stdin
            assert process.stdout
            process.stdin.write("count\n")
            process.stdin.flush()
            return process.stdout.readline().strip()

        try:
            assert ask() == "1"
            site.load(write_batch(site.store, "daily", "20240514T150000Z-b", [daily_row(symbol="B")]))
            assert ask() == "1"
            assert len(site.rows(DAILY_STOCK_METRICS)) == 2
        finally:
            process.stdin.close()
            process.wait(timeout=30)


def test_a_reader_opens_while_the_loader_holds_the_database(site: Site) -> None:
    with site.warehouse().open() as session:
        session.execute("BEGIN TRANSACTION")
        session.execute("DELETE FROM STOCKMARKETBATCH.LOADED_BATCHES")
        assert site.ledger() == []
        session.execute("ROLLBACK")


def test_a_reader_can_not_write(site: Site) -> None:
    with open_reader(site.settings) as reader, pytest.raises(PipelineError, match="read-only"):
        reader.query("DELETE FROM STOCKMARKETBATCH.LOADED_BATCHES")


def test_a_wrong_statement_is_one_clear_line(site: Site) -> None:
    with (
        open_reader(site.settings) as reader,
        pytest.raises(PipelineError, match=r"can't answer: .*nope does not exist") as e,
    ):
        reader.query("SELECT * FROM nope")
    assert "\n" not in str(e.value)


def test_nothing_published_yet_tells_what_to_run(tmp_path: Path) -> None:
    with (
        pytest.raises(Unavailable, match=r"w\.duckdb\.snapshot is missing; run `stockpipe-loader migrate`"),
        open_reader(WarehouseSettings(warehouse_url=f"duckdb://{tmp_path}/w.duckdb")),
    ):
        pass


def test_a_copy_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "w.duckdb.snapshot").write_bytes(b"no database " * 1000)
    with (
        pytest.raises(ConfigError, match=r"WAREHOUSE_URL .*not a valid DuckDB"),
        open_reader(WarehouseSettings(warehouse_url=f"duckdb://{tmp_path}/w.duckdb")),
    ):
        pass


def test_an_account_in_the_url_is_refused_without_showing_secrets() -> None:
    settings = WarehouseSettings(warehouse_url="snowflake://user:secret@account")
    with pytest.raises(ConfigError, match=r"WAREHOUSE_URL must be just snowflake://") as raised:
        open_reader(settings)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("url", ["postgres://user:secret@host", "/srv/w.duckdb", "", "file:///srv/w.duckdb"])
def test_an_unknown_scheme_is_refused_without_showing_secrets(url: str) -> None:
    with pytest.raises(ConfigError, match=r"WAREHOUSE_URL must be duckdb:///absolute/file\.duckdb") as raised:
        open_reader(WarehouseSettings(warehouse_url=url))
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    "url", ["duckdb://w.duckdb", "duckdb:w.duckdb", "duckdb:///", "duckdb:///srv/", "duckdb:///x?y=1"]
)
def test_a_path_that_is_not_absolute_is_refused(url: str) -> None:
    with (
        pytest.raises(ConfigError, match=r"must be duckdb:///absolute/file\.duckdb"),
        open_reader(WarehouseSettings(warehouse_url=url)),
    ):
        pass


def test_odd_names_of_folders_and_files_work(tmp_path: Path) -> None:
    site = Site(tmp_path / "it's a %25 folder", name="STOCKMARKETBATCH.duckdb")
    site.migrate()
    assert site.database.exists()
    assert site.ledger() == []


def test_common_is_imported_without_any_dialect() -> None:
    program = (
        "import sys; import stockpipe.common.warehouse.reader, stockpipe.common.warehouse.ledger; "
        "sys.exit('duckdb' in sys.modules or 'snowflake.connector' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
