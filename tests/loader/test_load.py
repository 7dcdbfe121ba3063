"""One batch into the warehouse: what is inserted, updated, stale, skipped."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from stockpipe.common.contracts.tables import DAILY_STOCK_METRICS, REALTIME_STOCK_ANALYTICS, Table
from stockpipe.common.errors import PipelineError
from stockpipe.loader.duckdb_warehouse import DuckDBSession
from stockpipe.loader.snowflake_warehouse import SnowflakeSession
from stockpipe.loader.warehouse import Merged, Session
from support.loading import ON_BOTH, Site
from support.processed import NOW, daily_row, manifest_of, window_row, write_batch

pytestmark = ON_BOTH


def counts(site: Site) -> list[tuple[int, int, int, int]]:
    return [(row["rows"], row["inserted"], row["updated"], row["stale"]) for row in site.ledger()]


def test_a_first_load_inserts_every_row_and_is_recorded(site: Site) -> None:
    rows = [daily_row(), daily_row(date=date(2024, 5, 10)), daily_row(symbol="MSFT")]
    (result,) = site.load(write_batch(site.store, "daily", "20240514T150000Z-daily", rows))
    assert (result.already_loaded, result.inserted, result.updated, result.stale) == (False, 3, 0, 0)
    (entry,) = site.ledger()
    assert entry == {
        "dataset": "daily",
        "batch_id": "20240514T150000Z-daily",
        "files": 2,
        "rows": 3,
        "inserted": 3,
        "updated": 0,
        "stale": 0,
        "loaded_at": NOW.replace(tzinfo=None),
    }


def test_every_value_arrives_unchanged(site: Site) -> None:
    row = daily_row(symbol="BRK^A", sma_30=None, source_fetched_at=datetime(2024, 5, 14, 14, 59, 59, 123456, UTC))
    site.load(write_batch(site.store, "daily", "20240514T150000Z-daily", [row]))
    expected = {
        name: value.replace(tzinfo=None) if isinstance(value, datetime) else value for name, value in row.items()
    }
    assert site.rows(DAILY_STOCK_METRICS) == [expected | {"batch_id": "20240514T150000Z-daily"}]


def test_a_second_load_is_skipped_and_tells_of_the_first(site: Site) -> None:
    manifest = write_batch(site.store, "daily", "20240514T150000Z-daily", [daily_row()])
    first, second = site.load(manifest, manifest)
    (third,) = site.load(manifest)
    assert (first.already_loaded, second.already_loaded, third.already_loaded) == (False, True, True)
    assert (third.rows, third.inserted, third.files) == (1, 1, 1)
    assert len(site.rows(DAILY_STOCK_METRICS)) == len(site.ledger()) == 1


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({}, (1, 0, 0, 1), id="equal version"),
        pytest.param({"source_fetched_at": NOW - timedelta(hours=2)}, (1, 0, 0, 1), id="older"),
        pytest.param({"source_fetched_at": NOW - timedelta(minutes=30)}, (1, 0, 1, 0), id="newer"),
        pytest.param(
            {"transform_version": 2, "source_fetched_at": NOW - timedelta(hours=2)}, (1, 0, 1, 0), id="new transform"
        ),
        pytest.param(
            {"transform_version": 0, "source_fetched_at": NOW - timedelta(minutes=30)}, (1, 0, 0, 1), id="old transform"
        ),
    ],
)
def test_a_daily_row_gives_way_only_to_a_newer_version(
    site: Site, changes: dict[str, object], expected: tuple[int, int, int, int]
) -> None:
    site.load(write_batch(site.store, "daily", "20240514T150000Z-daily", [daily_row()]))
    site.load(write_batch(site.store, "daily", "20240514T153000Z-daily", [daily_row(daily_close=187.0, **changes)]))
    assert counts(site)[1] == expected
    (row,) = site.rows(DAILY_STOCK_METRICS)
    assert row["daily_close"] == (187.0 if expected[2] else 186.75)
    assert row["batch_id"] == ("20240514T153000Z-daily" if expected[2] else "20240514T150000Z-daily")


@pytest.mark.parametrize(
    ("changes", "replaces"),
    [
        ({"last_offset": 1_118, "record_count_1h": 500}, False),
        ({"last_offset": 1_119, "record_count_1h": 120}, False),
        ({"last_offset": 1_119, "record_count_1h": 121}, True),
        ({"last_offset": 1_120, "record_count_1h": 119}, True),
        ({"transform_version": 2, "last_offset": 1_001, "record_count_1h": 50}, True),
    ],
)
def test_a_window_gives_way_only_to_one_that_knows_more(site: Site, changes: dict[str, object], replaces: bool) -> None:
    site.load(write_batch(site.store, "realtime_live", "20240514T150000Z-stream", [window_row()]))
    site.load(write_batch(site.store, "realtime", "20240514T153000Z-repair", [window_row(close=186.5, **changes)]))
    (row,) = site.rows(REALTIME_STOCK_ANALYTICS)
    assert row["close"] == (186.5 if replaces else 186.4)


def test_a_mixed_batch_is_counted_row_by_row(site: Site) -> None:
    later, earlier = NOW - timedelta(minutes=30), NOW - timedelta(hours=2)
    site.load(write_batch(site.store, "daily", "20240514T150000Z-a", [daily_row(symbol=s) for s in ("A", "B", "C")]))
    rows = [
        daily_row(symbol="A"),
        daily_row(symbol="B", source_fetched_at=later),
        daily_row(symbol="C", source_fetched_at=earlier),
        daily_row(symbol="D"),
        daily_row(symbol="E"),
    ]
    site.load(write_batch(site.store, "daily", "20240514T153000Z-b", rows))
    assert counts(site) == [(3, 3, 0, 0), (5, 2, 1, 2)]


def test_a_batch_of_stale_rows_changes_nothing_but_is_recorded(site: Site) -> None:
    site.load(write_batch(site.store, "daily", "20240514T150000Z-daily", [daily_row()]))
    before = site.rows(DAILY_STOCK_METRICS)
    site.load(write_batch(site.store, "daily", "20240514T153000Z-daily", [daily_row(daily_close=187.0)]))
    assert site.rows(DAILY_STOCK_METRICS) == before
    assert counts(site) == [(1, 1, 0, 0), (1, 0, 0, 1)]


def test_a_batch_without_rows_is_recorded(site: Site) -> None:
    (result,) = site.load(manifest_of("realtime", "20240514T150000Z-empty", []))
    assert (result.rows, result.inserted) == (0, 0)
    assert counts(site) == [(0, 0, 0, 0)]


def test_two_datasets_may_use_the_same_batch_id(site: Site) -> None:
    site.load(
        write_batch(site.store, "realtime", "20240514T150000Z-x", [window_row(symbol="A")]),
        write_batch(site.store, "realtime_live", "20240514T150000Z-x", [window_row(symbol="B")]),
        write_batch(site.store, "daily", "20240514T150000Z-x", [daily_row()]),
    )
    assert counts(site) == [(1, 1, 0, 0)] * 3
    assert [row["symbol"] for row in site.rows(REALTIME_STOCK_ANALYTICS)] == ["A", "B"]


def test_a_loaded_batch_needs_its_files_no_more(site: Site) -> None:
    manifest = write_batch(site.store, "daily", "20240514T150000Z-daily", [daily_row()])
    site.load(manifest)
    site.store.delete(manifest.files[0].key)
    assert site.load(manifest)[0].already_loaded


RECORD = """
    INSERT INTO LOADED_BATCHES
    VALUES ('daily', '20240514T150000Z-daily', 1, 7, 7, 0, 0, TIMESTAMP '2024-05-14 15:00:00')
"""


def test_a_batch_that_another_loader_records_meanwhile_is_not_merged(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def another_is_faster(session: Session, *_arguments: object) -> dict[str, int]:
        session.execute(RECORD)
        return {}

    monkeypatch.setattr("stockpipe.loader.load.run_checks", another_is_faster)
    (result,) = site.load(write_batch(site.store, "daily", "20240514T150000Z-daily", [daily_row()]))
    assert (result.already_loaded, result.rows) == (True, 7)
    assert site.rows(DAILY_STOCK_METRICS) == []


def test_rows_merged_beside_another_loader_s_record_are_taken_back(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    type_: Any = SnowflakeSession if site.url.startswith("snowflake") else DuckDBSession
    merge = type_.merge

    def merge_then_find_it_recorded(session: Session, table: Table, sql: str, *more: Any) -> Merged:
        merged: Merged = merge(session, table, sql, *more)
        if table == DAILY_STOCK_METRICS:
            session.execute(RECORD)
        return merged

    monkeypatch.setattr(type_, "merge", merge_then_find_it_recorded)
    with pytest.raises(PipelineError, match="another loader's record of it vanished"):
        site.load(write_batch(site.store, "daily", "20240514T150000Z-daily", [daily_row()]))
    monkeypatch.undo()
    assert site.migrate()
    assert site.rows(DAILY_STOCK_METRICS) == site.ledger() == []
