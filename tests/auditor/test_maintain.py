"""What maintenance removes, what it must leave, and what the books say of it afterwards."""

import hashlib
from datetime import timedelta
from pathlib import Path

import pytest

from stockpipe.auditor.maintenance.garbage import ADOPTABLE, UNKNOWN
from stockpipe.common.contracts.maintenance import BatchRetention, RawRetention
from stockpipe.common.contracts.manifests import ManifestDamaged, decode_processed, encode
from stockpipe.common.lake import layout
from stockpipe.common.lake.manifests import chain_end, processed_keys, raw_manifests
from stockpipe.common.lake.retention import batch_retention, raw_retention
from stockpipe.common.lake.store import create_content
from support.long_run import BEGIN, DAY, QUERY, LongRun, MemoryReader
from support.raw_lake import BARS, QUOTES

HOUR = timedelta(hours=1)
RAW = "raw/realtime/year=2026/month=06/day=01/hour=14/stock_data_20260601_1400_p00_{:020d}-{:020d}.csv"
LIVE = "processed/realtime_live/year=2026/month=06/day=01/part-20260601T140000Z-stream-{}-{:010d}.parquet"
SPARK = "processed/realtime/year=2026/month=06/day=01/symbol=X/part-20260601T140000Z-w-00abcd-00000-u.snappy.parquet"


def days_of_work(days: int, run: LongRun | None = None) -> LongRun:
    """Every day four flushes, four micro-batches, a stream-batch run and a daily run, all loaded."""
    run = run or LongRun()
    for _day in range(days):
        for _flush in range(4):
            run.land(0, 3, rejected=1)
            run.land(1, 2)
            run.load(run.stream())
            run.store.now += HOUR
        run.load(run.recompute())
        run.land_bars(2)
        run.load(run.daily())
        run.store.now += DAY - 4 * HOUR
    return run


def put(run: LongRun, key: str, data: bytes = b"left behind") -> str:
    run.store.objects[key] = data, run.store.now
    return key


def balanced(run: LongRun, reader: MemoryReader) -> bool:
    books = run.books(reader)
    assert books.findings == []
    return sum(each.offsets for each in books.partitions) == sum(run.ends.values())


def test_old_quotes_go_and_a_mark_accounts_for_them() -> None:
    run = days_of_work(8)
    reader = run.warehouse()
    told = run.maintain(raw_retention_days=5)
    assert [(each.subject, each.manifests, each.blocked) for each in told.retired] == [
        (f"{QUOTES} partition 0", 12, ""),
        (f"{QUOTES} partition 1", 12, ""),
    ]
    mark = raw_retention(run.store, QUOTES, 0)
    assert mark
    assert (mark.start, mark.end, mark.records, mark.rejected, mark.skipped) == (0, 48, 36, 12, 0)
    assert mark.max_event_time == "2026-06-03T17:02:00.000Z"
    assert min(manifest.start for manifest in raw_manifests(run.store, QUOTES) if manifest.partition == 0) == 48
    assert balanced(run, reader)
    assert [each.retired for each in run.books(reader).partitions] == [0, 48, 24]
    assert mark.objects
    assert set(mark.objects) <= run.store.objects.keys(), "readers that began earlier still need them"

    run.store.now += DAY + HOUR
    removed = run.maintain(raw_retention_days=5).removed
    assert [(each.prefix, each.objects) for each in removed if each.reason == "retired"] == [("raw/realtime", 24)]
    assert not set(mark.objects) & run.store.objects.keys()
    assert balanced(run, reader)


def test_a_consumer_that_lost_its_offset_starts_after_what_retention_removed() -> None:
    run = days_of_work(8)
    run.maintain(raw_retention_days=5)
    assert chain_end(run.store, QUOTES, 0, 0) == run.ends[QUOTES, 0]


def test_bars_are_never_removed() -> None:
    run = days_of_work(8)
    before = list(raw_manifests(run.store, BARS))
    run.store.now += 1000 * DAY
    run.maintain(raw_retention_days=1)
    assert list(raw_manifests(run.store, BARS)) == before
    assert all(entry.key in run.store.objects for manifest in before for entry in manifest.objects)


def test_quotes_that_the_group_has_not_committed_stay() -> None:
    run = days_of_work(4)
    run.uncommitted = 40
    retired = run.maintain(now=run.store.now + 90 * DAY, apply=False).retired
    assert [(each.manifests, each.blocked) for each in retired if QUOTES in each.subject] == [
        (6, "the consumer group has not committed their offsets"),
        (0, "the consumer group has not committed their offsets"),
    ]


def test_quotes_that_are_in_no_loaded_batch_stay() -> None:
    run = days_of_work(2)
    run.land(0, 3)
    run.stream()
    retired = run.maintain(now=run.store.now + 90 * DAY).retired
    assert [each.blocked for each in retired if QUOTES in each.subject] == [
        "records from offset 32 on are in no loaded batch",
        "",
    ]
    assert [manifest.start for manifest in raw_manifests(run.store, QUOTES)] == [32]


def test_zero_days_keep_everything() -> None:
    run = days_of_work(2)
    run.store.now += 1000 * DAY
    assert run.maintain(raw_retention_days=0, processed_retention_days=0).retired == []


def test_loaded_batches_go_and_the_books_know_them() -> None:
    run = days_of_work(8)
    reader = run.warehouse()
    rows = {each.dataset: each.warehouse_rows for each in run.books(reader).datasets}
    assert rows["daily"] == 16
    run.maintain(raw_retention_days=0, processed_retention_days=5)
    mark = batch_retention(run.store, "realtime_live")
    assert mark
    assert (mark.until, mark.batches) == ("2026-06-03", 12)
    assert [(entry.partition, entry.start, entry.end) for entry in mark.inputs] == [(0, 0, 48), (1, 0, 24)]
    assert {key.partition("date=")[2][:10] for key in processed_keys(run.store, "realtime_live")} == {
        f"2026-06-{day:02d}" for day in range(4, 9)
    }
    assert balanced(run, reader)
    assert [each.retired for each in run.books(reader).datasets] == [3, 3, 12]
    assert [each.waiting for each in run.books(reader).datasets] == [0, 0, 0]

    run.store.now += DAY + HOUR
    run.maintain(raw_retention_days=0, processed_retention_days=5)
    assert not set(mark.objects) & run.store.objects.keys()
    assert balanced(run, reader)


def test_a_batch_that_is_not_loaded_stays_however_old() -> None:
    run = days_of_work(2)
    unloaded = run.daily()
    assert unloaded
    run.store.now += 1000 * DAY
    report = run.maintain()
    assert [(each.subject, each.blocked) for each in report.retired if each.blocked] == [
        ("daily", "some aren't loaded")
    ]
    assert [layout.batch_of_manifest(key) for key in processed_keys(run.store, "daily")] == [unloaded.batch_id]


def test_a_manifest_lost_among_retired_ones_is_found() -> None:
    run = days_of_work(8)
    reader = run.warehouse()
    run.maintain(raw_retention_days=0, processed_retention_days=5)
    mark = batch_retention(run.store, "realtime")
    assert mark
    late = decode_processed("", run.store.get(next(iter(processed_keys(run.store, "realtime")))))
    run.store.delete(layout.processed_manifest("realtime", late.batch_id))
    assert any(late.batch_id in finding.subject for finding in run.books(reader).findings)

    forged = {name: getattr(mark, name) for name in mark.__struct_fields__} | {"until": late.batch_id[:4] + "-06-04"}
    put(run, layout.retention_mark(layout.processed_retention_prefix("realtime"), 7), encode(BatchRetention(**forged)))
    details = [finding.detail for finding in run.books(reader).findings]
    assert any("LOADED_BATCHES lists 4 batches" in detail and "removed 3" in detail for detail in details)


def test_a_mark_that_does_not_add_up_is_found() -> None:
    run = days_of_work(8)
    reader = run.warehouse()
    run.maintain(raw_retention_days=5)
    mark = raw_retention(run.store, QUOTES, 0)
    assert mark
    forged = {name: getattr(mark, name) for name in mark.__struct_fields__} | {"records": mark.records - 2}
    put(run, layout.retention_mark(layout.raw_retention_prefix(QUOTES, 0), 7), encode(RawRetention(**forged)))
    assert run.books(reader).unaccounted["kafka-raw"] == 2


def test_a_gap_behind_the_mark_is_found_and_stops_retention() -> None:
    run = days_of_work(8)
    reader = run.warehouse()
    run.maintain(raw_retention_days=5)
    run.store.delete(layout.raw_manifest(QUOTES, 0, 48))
    assert any("offsets 48 to 51 have no manifest" in finding.detail for finding in run.books(reader).findings)
    run.store.now += 3 * DAY
    assert [each.subject for each in run.maintain(raw_retention_days=5).retired] == [f"{QUOTES} partition 1"]


def test_leftovers_go_once_they_are_old() -> None:
    run = days_of_work(3)
    left = [
        put(run, RAW.format(1, 2)),
        put(run, RAW.format(1, 2).replace(".csv", "-0123456789ab.csv")),
        put(run, LIVE.format(QUERY, 2)),
        put(run, SPARK),
        put(run, "processed/realtime/_temporary/0/task/part.parquet"),
        put(run, "processed/historical/__magic_job-1/x/part.parquet.pendingset"),
        put(run, "processed/historical/run_date=2026-06-01/_SUCCESS", b""),
        put(run, layout.compacted_file("daily", BEGIN.date(), "0123456789abcdef", "00abcd", 0)),
    ]
    run.store.now += DAY - HOUR
    run.maintain()
    assert set(left) <= run.store.objects.keys(), "a writer may still be at work"
    run.store.now += 2 * HOUR
    report = run.maintain()
    assert not set(left) & run.store.objects.keys()
    assert sum(each.objects for each in report.removed if each.reason == "orphan") == len(left)


def test_what_a_writer_may_come_back_for_stays_and_so_does_what_is_not_ours() -> None:
    run = days_of_work(3)
    end = run.ends[QUOTES, 0]
    adoptable = [
        put(run, RAW.format(end, end + 3)),
        put(run, RAW.format(0, 3).replace("_p00_", "_p05_")),
        put(run, LIVE.format(QUERY, run.micro_batches)),
        put(run, LIVE.format("fedcba987654", 0)),
    ]
    unknown = [put(run, "raw/realtime/notes.txt"), put(run, "processed/notes.txt")]
    others = [put(run, "checkpoints/realtime_live/offsets/0"), put(run, "raw/_manifests/readme.txt")]
    run.store.now += 100 * DAY
    report = run.maintain()
    assert {*adoptable, *unknown, *others} <= run.store.objects.keys()
    assert (report.kept[ADOPTABLE], report.kept[UNKNOWN]) == (4, 2)


def test_a_consumer_back_after_days_lists_its_old_object_while_maintenance_runs() -> None:
    run = days_of_work(3)
    run.store.now = run.store.now.replace(hour=14)
    dead = LongRun(ends=dict(run.ends) | {(QUOTES, 1): 0})
    dead.store.now = run.store.now
    dead.land(0, 3)
    (key,) = [key for key in dead.store.objects if not key.startswith("raw/_")]
    put(run, key, dead.store.objects[key][0])
    put(run, SPARK)
    came_back = run.store.now
    run.store.now += 3 * DAY

    def come_back() -> None:
        now, run.store.now = run.store.now, came_back
        run.land(0, 3)
        run.store.now = now
        assert create_content(run.store, key, run.store.get(key)) == key

    run.store.at(0, come_back)
    run.maintain(compact_after_days=300)
    assert SPARK not in run.store.objects
    assert hashlib.sha256(run.store.get(key)).hexdigest() in {
        entry.sha256 for manifest in raw_manifests(run.store, QUOTES) for entry in manifest.objects
    }


def test_small_files_of_a_closed_day_become_one_and_rows_stay_the_same() -> None:
    run = days_of_work(3)
    reader, rows = run.warehouse(), run.rows()
    run.store.now += 2 * DAY
    report = run.maintain()
    days = ("2026-06-01", "2026-06-02", "2026-06-03")
    assert [(each.dataset, each.day, each.batches, each.files, each.into) for each in report.compacted] == [
        *(("realtime", day, 1, 2, 1) for day in days),
        *(("realtime_live", day, 4, 4, 1) for day in days),
    ]
    assert run.rows() == rows
    assert balanced(run, reader)
    replaced = [key for key in run.store.objects if key.startswith("processed/realtime") and "day=01" in key]
    assert len(replaced) == 6
    run.store.now += DAY + HOUR
    run.maintain()
    assert not set(replaced) & run.store.objects.keys()
    assert run.rows() == rows
    assert balanced(run, reader)


def test_files_stay_while_the_compacted_one_is_missing() -> None:
    run = days_of_work(2)
    run.store.now += 2 * DAY
    run.maintain()
    compacted = [
        key for key in run.store.objects if key.startswith("processed/compacted/realtime_live/date=2026-06-01")
    ]
    for key in compacted:
        run.store.delete(key)
    run.store.now += 2 * DAY
    run.maintain()
    assert any("processed/realtime_live" in key and "day=01" in key for key in run.store.objects)


def test_a_batch_that_can_not_be_read_is_named_and_left_out() -> None:
    run = days_of_work(2)
    run.store.now += 2 * DAY
    broken = next(key for key in run.store.objects if key.startswith("processed/realtime_live"))
    run.store.objects[broken] = b"no parquet", run.store.now
    report = run.maintain()
    assert [text.partition(":")[0] for text in report.damaged] == [broken]
    assert [each.into for each in report.compacted if each.dataset == "realtime_live"] == [1, 1]


def test_an_unloaded_batch_is_not_compacted() -> None:
    run = days_of_work(1)
    run.loaded["realtime_live"].clear()
    run.store.now += 9 * DAY
    assert {each.dataset for each in run.maintain().compacted} == {"realtime"}


@pytest.mark.parametrize("kind", ["raw", "processed"])
def test_where_a_manifest_can_not_be_read_nothing_is_removed(kind: str) -> None:
    run = days_of_work(2)
    key = next(key for key in run.store.objects if key.startswith(f"{kind}/_manifests"))
    left = put(run, SPARK)
    run.store.objects[key] = b"{", run.store.now
    run.store.now += 2 * DAY
    with pytest.raises(ManifestDamaged, match="can't be read"):
        run.maintain(compact_after_days=300)
    assert left in run.store.objects


def test_replaced_marks_go_and_the_newest_stays() -> None:
    run = days_of_work(8)
    reader = run.warehouse()
    for _day in range(5):
        run.maintain(raw_retention_days=5)
        run.store.now += DAY + HOUR
    prefix = layout.raw_retention_prefix(QUOTES, 0)
    assert [info.key for info in run.store.list(prefix)] == [layout.retention_mark(prefix, 4)]
    assert balanced(run, reader)


def test_rounds_are_bounded_and_one_run_does_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("stockpipe.auditor.maintenance.retain_raw.ROUND", 5)
    monkeypatch.setattr("stockpipe.auditor.maintenance.retain_processed.ROUND", 5)
    monkeypatch.setattr("stockpipe.auditor.maintenance.compact.FILE_ROWS", 4)
    run = days_of_work(8)
    reader, rows = run.warehouse(), run.rows()
    report = run.maintain(raw_retention_days=5, processed_retention_days=5)
    assert [each.manifests for each in report.retired] == [12, 12, 3, 3, 12]
    mark = raw_retention(run.store, QUOTES, 0)
    assert mark
    assert (mark.records, mark.rejected, len(mark.objects)) == (36, 12, 2)
    assert any(each.into > 1 for each in report.compacted)
    found = run.rows()
    assert found == {batch: rows[batch] for batch in found}
    assert balanced(run, reader)
