"""Tables are made once, gain columns, and never lose or change one."""

import pytest

from stockpipe.common.contracts.tables import DAILY_STOCK_METRICS
from stockpipe.common.warehouse.ledger import loaded_batches
from stockpipe.loader.migrate import SchemaConflict, SchemaOutdated, migrate, require_current
from stockpipe.loader.tables import all_tables
from support.loading import ON_BOTH, Site
from support.processed import daily_row, write_batch

pytestmark = ON_BOTH

DAILY = "STOCKMARKETBATCH.DAILY_STOCK_METRICS"


def test_every_table_is_made_then_nothing_is_left_to_do(site: Site) -> None:
    fresh = site.another("fresh")
    names = [f"{table.database}.{table.name}" for table in all_tables()]
    assert fresh.migrate() == [f"{name}: created" for name in names]
    assert fresh.migrate() == [f"{name}: up to date" for name in names]
    assert names == [
        DAILY,
        "STOCKMARKETBATCH.LOADED_BATCHES",
        "STOCKMARKETBATCH.DATA_QUALITY_RESULTS",
        "STOCKMARKETSTREAM.REALTIME_STOCK_ANALYTICS",
        "STOCKMARKETSTREAM.LOADED_BATCHES",
        "STOCKMARKETSTREAM.DATA_QUALITY_RESULTS",
    ]


def test_a_missing_column_is_added_and_rows_stay(site: Site) -> None:
    site.load(write_batch(site.store, "daily", "20240514T150000Z-a", [daily_row()]))
    site.execute(f"ALTER TABLE {DAILY} DROP COLUMN sma_30")
    site.execute(f"ALTER TABLE {DAILY} DROP COLUMN volume_trend")
    lines = site.migrate()
    assert lines[:2] == [
        f"{DAILY}: added column sma_30 {site.types['double']}",
        f"{DAILY}: added column volume_trend {site.types['string']}",
    ]
    site.load(write_batch(site.store, "daily", "20240514T153000Z-b", [daily_row(symbol="B")]))
    assert [(row["symbol"], row["sma_30"]) for row in site.rows(DAILY_STOCK_METRICS, "symbol")] == [
        ("AAPL", None),
        ("B", 176.0),
    ]


def test_a_field_that_the_contract_gained_is_loaded_once_the_warehouse_is_migrated(site: Site) -> None:
    older = write_batch(site.store, "daily", "20240514T150000Z-a", [daily_row()], without=["exchange"])
    newer = write_batch(site.store, "daily", "20240514T153000Z-b", [daily_row(symbol="IBM", exchange="XNYS")])
    site.execute(f"ALTER TABLE {DAILY} DROP COLUMN exchange")
    with (
        pytest.raises(SchemaOutdated, match=rf"lacks {DAILY}.exchange; run `stockpipe-loader migrate`"),
        site.warehouse().open() as session,
    ):
        require_current(session)
    assert site.migrate()[0] == f"{DAILY}: added column exchange {site.types['string']}"
    site.load(newer, older)
    found = [(row["symbol"], row["exchange"]) for row in site.rows(DAILY_STOCK_METRICS, "symbol")]
    assert found == [("AAPL", None), ("IBM", "XNYS")]
    recomputed = daily_row(transform_version=2)
    site.load(write_batch(site.store, "daily", "20240514T154500Z-c", [recomputed]))
    assert site.rows(DAILY_STOCK_METRICS, "symbol")[0]["exchange"] == "XNAS", "the transform's new version replaces"


def test_a_column_unknown_to_the_contract_is_left_alone_and_reported(site: Site) -> None:
    site.execute(f"ALTER TABLE {DAILY} ADD COLUMN remark VARCHAR")
    assert site.migrate()[0] == f"{DAILY}: left alone, unknown to the contract: remark"
    site.load(write_batch(site.store, "daily", "20240514T150000Z-a", [daily_row()]))
    assert site.rows(DAILY_STOCK_METRICS)[0]["remark"] is None


def test_a_changed_type_is_an_error_that_names_both_and_changes_nothing(site: Site) -> None:
    site.execute(f"ALTER TABLE {DAILY} DROP COLUMN daily_volume")
    site.execute(f"ALTER TABLE {DAILY} ADD COLUMN daily_volume VARCHAR")
    site.execute(f"ALTER TABLE {DAILY} DROP COLUMN sma_5")
    types = f"is {site.types['string']}, the contract says {site.types['bigint']}"
    with pytest.raises(SchemaConflict, match=rf"{DAILY}\.daily_volume {types}"):
        site.migrate()
    with site.warehouse().open() as session:
        assert "sma_5" not in session.columns(DAILY_STOCK_METRICS)


def test_a_warehouse_that_lacks_something_takes_no_batch(site: Site) -> None:
    site.execute(f"ALTER TABLE {DAILY} DROP COLUMN sma_5")
    site.execute("DROP TABLE STOCKMARKETSTREAM.LOADED_BATCHES")
    with (
        pytest.raises(SchemaOutdated, match=rf"lacks STOCKMARKETSTREAM.LOADED_BATCHES, {DAILY}.sma_5; run"),
        site.warehouse().open() as session,
    ):
        require_current(session)


def test_migrating_is_all_or_nothing_to_its_reader(site: Site) -> None:
    with site.warehouse().open() as session:
        session.execute(f"DROP TABLE {site.qualified(loaded_batches('STOCKMARKETBATCH'))}")
        migrate(session)
        require_current(session)
    assert site.ledger() == []
