"""What the loader makes of a batch's files: columns, types, and damage that is named."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stockpipe.common.contracts.manifests import ProcessedFile, ProcessedManifest
from stockpipe.common.contracts.tables import DAILY_STOCK_METRICS, DATASETS, REALTIME_STOCK_ANALYTICS
from stockpipe.common.errors import ConfigError
from stockpipe.common.lake.processed_rows import BatchDamaged
from stockpipe.loader import staging
from stockpipe.loader.load import load_batch
from stockpipe.loader.staging import Incoming
from support.loading import ON_BOTH, Site
from support.processed import (
    daily_row,
    manifest_of,
    window_row,
    write_batch,
    write_file,
    write_table,
)

KEY = "processed/historical/run_date=2024-05-14/symbol=AAPL/part-x-0.parquet"
BATCH = "20240514T150000Z-daily"


def staged(site: Site, manifest: ProcessedManifest) -> pa.Table:
    table = DATASETS[manifest.dataset].table
    with Incoming(site.store, manifest, site.folder).file() as path:
        found = pq.read_table(path)
    assert found.schema.equals(pa.schema([field.with_nullable(True) for field in table.arrow_schema]))
    assert not path.parent.exists()
    return found


def test_the_symbol_comes_from_the_path_where_the_file_lacks_it(site: Site) -> None:
    rows = [daily_row(symbol="BRK^A"), daily_row(symbol="AAPL"), daily_row(symbol="EURUSD=X")]
    found = staged(site, write_batch(site.store, "daily", BATCH, rows))
    assert sorted(found["symbol"].to_pylist()) == ["AAPL", "BRK^A", "EURUSD=X"]


def test_a_percent_encoded_folder_names_the_symbol(site: Site) -> None:
    key = KEY.replace("symbol=AAPL", "symbol=BRK%5EA")
    file = write_file(site.store, key, "daily", [daily_row()], without=["symbol"])
    assert staged(site, manifest_of("daily", BATCH, [file]))["symbol"].to_pylist() == ["BRK^A"]


def test_one_file_of_many_symbols_keeps_its_own_column(site: Site) -> None:
    manifest = write_batch(site.store, "realtime_live", BATCH, [window_row(symbol=symbol) for symbol in "ABC"])
    assert len(manifest.files) == 1
    assert staged(site, manifest)["symbol"].to_pylist() == ["A", "B", "C"]


def test_a_nullable_column_that_an_older_file_lacks_is_null(site: Site) -> None:
    manifest = write_batch(site.store, "daily", BATCH, [daily_row()], without=["adj_close", "volume_trend"])
    site.load(manifest)
    (row,) = site.rows(DAILY_STOCK_METRICS)
    assert (row["adj_close"], row["volume_trend"], row["daily_close"]) == (None, None, 186.75)


def test_a_missing_required_column_is_named(site: Site) -> None:
    manifest = write_batch(site.store, "daily", BATCH, [daily_row()], without=["is_final", "daily_low"])
    with pytest.raises(BatchDamaged, match=r"symbol=AAPL/.*requires are missing: daily_low, is_final"):
        staged(site, manifest)


def test_an_unknown_column_is_ignored(site: Site) -> None:
    table = pa.Table.from_pylist([daily_row()]).append_column("mood", pa.array(["calm"]))
    site.load(manifest_of("daily", BATCH, [write_table(site.store, KEY, table)]))
    assert "mood" not in site.rows(DAILY_STOCK_METRICS)[0]


def test_the_legacy_timestamps_of_spark_are_read(site: Site) -> None:
    table = pa.Table.from_pylist([window_row()])
    pq.write_table(table, site.folder / "int96.parquet", use_deprecated_int96_timestamps=True)
    data = (site.folder / "int96.parquet").read_bytes()
    site.store.create("processed/x/int96.parquet", data)
    file = ProcessedFile(key="processed/x/int96.parquet", rows=1, bytes=len(data))
    site.load(manifest_of("realtime", BATCH, [file]))
    (row,) = site.rows(REALTIME_STOCK_ANALYTICS)
    assert row["window_start"] == window_row()["window_start"].replace(tzinfo=None)


def test_a_column_of_a_type_that_does_not_fit_is_named(site: Site) -> None:
    table = pa.Table.from_pylist([daily_row() | {"daily_volume": "many"}])
    manifest = manifest_of("daily", BATCH, [write_table(site.store, KEY, table)])
    with pytest.raises(BatchDamaged, match=r"part-x-0.parquet: column daily_volume: expected int64, found string"):
        staged(site, manifest)


def test_a_missing_file_is_named_with_what_was_expected(site: Site) -> None:
    manifest = manifest_of("daily", BATCH, [ProcessedFile(key=KEY, rows=1, bytes=4711)])
    with pytest.raises(BatchDamaged, match=rf"{KEY}: expected 4711 bytes, found no object"):
        site.load(manifest)


def test_a_file_of_another_size_is_named(site: Site) -> None:
    file = write_file(site.store, KEY, "daily", [daily_row()])
    manifest = manifest_of("daily", BATCH, [ProcessedFile(key=KEY, rows=1, bytes=file.bytes + 1)])
    with pytest.raises(BatchDamaged, match=rf"{KEY}: expected {file.bytes + 1} bytes, found {file.bytes}"):
        site.load(manifest)


def test_a_wrong_row_count_is_named(site: Site) -> None:
    manifest = write_batch(site.store, "daily", BATCH, [daily_row()], manifest_rows=2)
    with pytest.raises(BatchDamaged, match=r"symbol=AAPL/.*: expected 2 rows, found 1"):
        site.load(manifest)
    assert site.ledger() == []


def test_a_manifest_whose_sum_is_wrong_is_refused(site: Site) -> None:
    file = write_file(site.store, KEY, "daily", [daily_row()])
    manifest = manifest_of("daily", BATCH, [file])
    lying = ProcessedManifest(
        **{name: getattr(manifest, name) for name in manifest.__struct_fields__} | {"rows_out": 5}
    )
    with pytest.raises(BatchDamaged, match="manifest expects 5 rows in all, its files list 1"):
        site.load(lying)


def test_a_file_that_is_no_parquet_is_named(site: Site) -> None:
    site.store.create(KEY, b"PAR1 not really PAR1")
    manifest = manifest_of("daily", BATCH, [ProcessedFile(key=KEY, rows=1, bytes=20)])
    with pytest.raises(BatchDamaged, match=rf"{KEY}: not a readable Parquet file"):
        site.load(manifest)


def test_a_damaged_page_is_named(site: Site) -> None:
    file = write_file(site.store, "processed/good.parquet", "daily", [daily_row()])
    data = bytearray(site.store.get(file.key))
    data[4:200] = bytes(196)
    site.store.create(KEY, bytes(data))
    manifest = manifest_of("daily", BATCH, [ProcessedFile(key=KEY, rows=1, bytes=len(data))])
    with pytest.raises(BatchDamaged, match=rf"{KEY}: not a readable Parquet file"):
        staged(site, manifest)


def test_many_small_files_become_few_row_groups(site: Site) -> None:
    manifest = write_batch(site.store, "daily", BATCH, [daily_row(symbol=f"S{number}") for number in range(40)])
    with Incoming(site.store, manifest).file() as path:
        assert pq.read_metadata(path).num_row_groups == 1
        assert pq.read_metadata(path).num_rows == 40


def test_a_staging_folder_that_is_none_is_named(site: Site) -> None:
    manifest = write_batch(site.store, "daily", BATCH, [daily_row()])
    with (
        pytest.raises(ConfigError, match="STAGING_FOLDER='/none/such'"),
        Incoming(site.store, manifest, Path("/none/such")).file(),
    ):
        pass


@ON_BOTH
def test_what_was_staged_of_a_damaged_batch_is_never_loaded(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging, "BATCH_ROWS", 1)
    good = write_batch(site.store, "daily", BATCH, [daily_row(symbol="A")])
    lost = ProcessedFile(key=KEY, rows=1, bytes=4711)
    with pytest.raises(BatchDamaged, match="found no object"):
        site.load(manifest_of("daily", "20240514T160000Z-lost", [*good.files, lost]))
    assert site.rows(DAILY_STOCK_METRICS) == site.ledger() == []
    more = write_batch(site.store, "daily", "20240514T170000Z-more", [daily_row(symbol=symbol) for symbol in "BCD"])
    assert [result.inserted for result in site.load(more, good)] == [3, 1]
    assert [row["symbol"] for row in site.rows(DAILY_STOCK_METRICS)] == ["A", "B", "C", "D"]


def test_duckdb_needs_no_staging_folder(site: Site) -> None:
    manifest = write_batch(site.store, "daily", BATCH, [daily_row()])
    with site.warehouse().open() as session:
        assert load_batch(session, site.store, manifest, site.clock, Path("/none/such")).inserted == 1
