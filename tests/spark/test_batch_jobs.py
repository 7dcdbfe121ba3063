"""Both batch jobs on a lake: what they commit, and what they refuse to."""

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest
import structlog
from pyspark.sql import SparkSession

from stockpipe.common.contracts.daily_bar import DailyBar
from stockpipe.common.contracts.manifests import OffsetRange, ProcessedManifest
from stockpipe.common.contracts.quote import Quote
from stockpipe.common.contracts.tables import DAILY_STOCK_METRICS, REALTIME_STOCK_ANALYTICS, Table
from stockpipe.common.errors import ConfigError, PipelineError
from stockpipe.common.lake import layout
from stockpipe.common.lake.folder import FolderStore
from stockpipe.common.lake.manifests import commit_raw, find_processed
from stockpipe.common.lake.processed_rows import read_file
from stockpipe.common.lake.raw_rows import RAW_COLUMNS, RawFormat
from stockpipe.common.times import from_text, to_text
from stockpipe.spark.io.raw import read_quotes, read_raw, select_raw
from stockpipe.spark.io.writer import Attempt
from stockpipe.spark.jobs import batch_run, spark_batch_processor, spark_stream_batch_processor
from stockpipe.spark.jobs.batch_run import Batch, BooksDiffer, Outcome, commit_batch
from stockpipe.spark.jobs.spark_batch_processor import DailyJob
from stockpipe.spark.jobs.spark_stream_batch_processor import WindowsJob
from stockpipe.spark.settings import DailySettings, StreamBatchSettings
from support.clocks import ManualClock
from support.frames import assert_same_rows, rows_of
from support.quotes import Tick, reference_windows
from support.raw_lake import ACTIONS, BARS, QUOTES, land_actions, land_bars, land_quotes, rewrite
from support.records import action, as_dict, bar, quote

NOW = datetime(2024, 5, 14, 22, 0, tzinfo=UTC)
RUN_DATE = NOW.date()
BATCH = "20240514T220000Z-test"


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "a lake")


@pytest.fixture
def _signals() -> Iterator[None]:
    handler = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, handler)


def rows_in_lake(store: FolderStore, manifest: ProcessedManifest, table: Table) -> list[dict[str, Any]]:
    return [row for file in manifest.files for batch in read_file(store, file, table) for row in batch.to_pylist()]


def daily_bars(symbol: str, days: int) -> list[DailyBar]:
    """Return one bar a day, the last one of the run date."""
    first = RUN_DATE - timedelta(days=days - 1)
    return [
        bar(symbol=symbol, date=(first + timedelta(days=number)).isoformat(), close=180.0 + number % 5, adj_close=None)
        for number in range(days)
    ]


def daily(spark: SparkSession, store: FolderStore, first: date, batch_id: str = BATCH) -> ProcessedManifest:
    job = DailyJob(RUN_DATE, first, RUN_DATE, NOW, select_raw(store, ACTIONS))
    batch = Batch("daily", batch_id, select_raw(store, BARS), job.actions.ranges)
    return commit_batch(spark, store, batch, job.compute, ManualClock(NOW))


def windows(spark: SparkSession, store: FolderStore, job: WindowsJob, batch_id: str = BATCH) -> ProcessedManifest:
    raw = select_raw(store, QUOTES, since=job.read_since, until=job.read_until)
    return commit_batch(spark, store, Batch("realtime", batch_id, raw), job.compute, ManualClock(NOW))


def test_a_daily_batch_accounts_for_every_bar(spark: SparkSession, store: FolderStore) -> None:
    indexes = daily_bars("^GSPC", 40)
    restated = [
        bar(symbol="^GSPC", date=b.date, close=175.0, fetched_at="2026-11-23T20:00:00.000Z") for b in indexes[:3]
    ]
    tomorrow = bar(symbol="BRK.B", date=(RUN_DATE + timedelta(days=1)).isoformat())
    land_bars(store, indexes)
    land_bars(store, [*restated, tomorrow], start=40, raw_format="parquet")
    land_bars(store, daily_bars("BRK.B", 20), partition=5, start=1000)
    first = RUN_DATE - timedelta(days=6)
    manifest = daily(spark, store, first)

    assert manifest.rows_in == 64
    assert manifest.rows_dropped == {"superseded": 3, "after_run_date": 1, "outside_range": 33 + 13}
    assert manifest.rows_out == 14
    assert manifest.inputs == [
        OffsetRange(topic=BARS, partition=0, start=0, end=44),
        OffsetRange(topic=BARS, partition=5, start=1000, end=1020),
    ]
    assert sorted(layout.symbol_of(file.key) or "" for file in manifest.files) == ["BRK.B", "^GSPC"]
    folder = layout.historical_folder(RUN_DATE)
    assert all(file.key.startswith(f"{folder}/symbol=") for file in manifest.files)
    rows = rows_in_lake(store, manifest, DAILY_STOCK_METRICS)
    assert {row["date"] for row in rows} == {first + timedelta(days=number) for number in range(7)}
    assert {(row["batch_id"], row["processed_at"]) for row in rows} == {(BATCH, NOW.replace(tzinfo=None))}
    assert all((row["sma_30"] is None) == (row["symbol"] == "BRK.B") for row in rows)
    assert find_processed(store, "daily", BATCH) == manifest


def test_a_new_split_writes_the_symbols_history_anew_and_no_other(spark: SparkSession, store: FolderStore) -> None:
    ex_date = RUN_DATE - timedelta(days=1)
    bars = daily_bars("NVDA", 40) + daily_bars("IBM", 40)
    land_bars(store, [msgspec.structs.replace(b, fetched_at="2024-05-01T20:00:00.000Z", source="x") for b in bars])
    before = daily(spark, store, RUN_DATE - timedelta(days=50), "20240513T220000Z-before")
    land_actions(store, [action("NVDA", ex_date.isoformat(), ratio=4.0, fetched_at="2024-05-14T21:00:00.000Z")])
    after = daily(spark, store, RUN_DATE - timedelta(days=6))

    assert after.also_read == [OffsetRange(topic=ACTIONS, partition=0, start=0, end=1)]
    assert after.rows_dropped == {"superseded": 0, "after_run_date": 0, "outside_range": 33}
    was = {(r["symbol"], r["date"]): r for r in rows_in_lake(store, before, DAILY_STOCK_METRICS)}
    for row in rows_in_lake(store, after, DAILY_STOCK_METRICS):
        old = was[row["symbol"], row["date"]]
        if row["symbol"] == "IBM" or row["date"] >= ex_date:
            assert (row["split_factor"], row["actions_as_of"]) == (1.0, None)
            assert row["daily_close"] == old["daily_close"]
        else:
            assert (row["split_factor"], row["actions_as_of"]) == (4.0, ex_date)
            assert row["daily_close"] == old["daily_close"] / 4
            assert row["daily_volume"] == old["daily_volume"] * 4
        # Every row whose numbers changed is newer than the one that it replaces in the warehouse.
        changed = row["sma_30"] != old["sma_30"] or row["daily_close"] != old["daily_close"]
        assert changed == (row["source_fetched_at"] > old["source_fetched_at"]) == (row["symbol"] == "NVDA")


FORMATS: list[RawFormat] = ["csv", "parquet"]


def test_objects_of_every_version_in_both_formats_are_read_by_their_own_columns(
    spark: SparkSession, store: FolderStore
) -> None:
    """Each column of each row has a value of its own, so that a shifted column can't go unseen."""
    expected: list[dict[str, Any]] = []
    versions: list[tuple[list[str], str | None, bool]] = [
        (["exchange"], None, False),
        (["exchange"], None, True),
        ([], None, True),
        ([], "younger", True),
    ]
    for number, (raw_format, (drop, add, tell)) in enumerate(product(FORMATS, versions)):
        quotes = [
            quote(price=100.5 + n, volume=n, bid=200.5 + n if n % 2 else None, ask=300.5 + n, exchange=exchange)
            for n, exchange in enumerate(["XNYS", None, "NULL", "1234"], 10 * number)
        ]
        landed = land_quotes(store, quotes, start=10 * number, raw_format=raw_format)
        rewrite(store, landed, drop, add, tell=tell)
        expected += [as_dict(record) | dict.fromkeys(drop) for record in quotes]
    raw = select_raw(store, QUOTES)
    found = sorted(rows_of(read_raw(spark, store, "realtime", raw.keys)), key=lambda row: row["volume"])
    assert raw.rows == len(found) == 32
    assert list(found[0]) == list(RAW_COLUMNS["realtime"])
    for row in found:
        assert (row.pop("kafka_partition"), row.pop("kafka_offset")) == (0, row["volume"])
    assert found == expected


def test_the_exchange_flows_into_the_metrics_and_older_bars_have_none(spark: SparkSession, store: FolderStore) -> None:
    bars = [msgspec.structs.replace(entry, exchange="XNYS") for entry in daily_bars("IBM", 6)]
    rewrite(store, land_bars(store, bars[:3]), ["exchange"], tell=False)
    land_bars(store, bars[3:], start=3)
    manifest = daily(spark, store, RUN_DATE - timedelta(days=5))
    rows = sorted(rows_in_lake(store, manifest, DAILY_STOCK_METRICS), key=lambda row: row["date"])
    assert [row["exchange"] for row in rows] == [None] * 3 + ["XNYS"] * 3
    assert [row["daily_close"] for row in rows] == [entry.close for entry in bars]


def test_an_object_whose_columns_are_not_its_manifest_s_fails_the_job(spark: SparkSession, store: FolderStore) -> None:
    landed = land_bars(store, daily_bars("IBM", 2))
    rewrite(store, landed, ["exchange"], "younger")
    store.delete(layout.raw_manifest(BARS, 0, 0))
    commit_raw(store, landed)
    with pytest.raises(PipelineError, match="header"):
        daily(spark, store, RUN_DATE)


def test_files_of_a_crashed_attempt_are_never_listed(spark: SparkSession, store: FolderStore) -> None:
    land_bars(store, daily_bars("AAPL", 5))
    folder = layout.historical_folder(RUN_DATE)
    crashed = Attempt(BATCH, "c4a54e")
    left_over = [
        f"{folder}/symbol=AAPL/{crashed.base_name}-00000-6f1c.c000.snappy.parquet",
        f"{folder}/_temporary/0/symbol=AAPL/{crashed.base_name}-00000-6f1c.c000.snappy.parquet",
    ]
    for key in left_over:
        store.create(key, b"half a file")
    manifest = daily(spark, store, RUN_DATE)
    assert [file.rows for file in manifest.files] == [1]
    assert not {file.key for file in manifest.files} & set(left_over)
    assert store.get(left_over[0]) == b"half a file"


def test_an_attempt_knows_its_own_files() -> None:
    attempt = Attempt("20240514T220000Z-x", "abc123")
    ours = "f/symbol=A/part-20240514T220000Z-x-abc123-00000-9d.c000.snappy.parquet"
    assert attempt.wrote(ours)
    assert not attempt.wrote(ours.replace("abc123", "abc124"))
    assert not attempt.wrote(ours.replace("-x-", "-x-y-"))
    assert not attempt.wrote(ours.replace("f/", "f/_temporary/0/"))


def test_rows_that_a_manifest_lists_and_an_object_lacks_stop_the_batch(spark: SparkSession, store: FolderStore) -> None:
    manifest = land_bars(store, daily_bars("AAPL", 5))
    (entry,) = manifest.objects
    lines = store.get(entry.key).splitlines(keepends=True)
    store.delete(entry.key)
    store.create(entry.key, b"".join(lines[:-1]))
    with pytest.raises(BooksDiffer, match="list 5 rows, their objects gave 4; nothing was committed"):
        daily(spark, store, RUN_DATE)
    assert find_processed(store, "daily", BATCH) is None


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda line: line.replace(b"2024-05-14T14:30:00.000Z", b"yesterday"), "'yesterday'"),
        (lambda line: line.replace(b'"2024-05-14T14:30:00.000Z"', b""), "a raw row has no event_time"),
        (lambda line: line.replace(b"187.25", b"a lot"), "a lot"),
        (lambda line: line.rpartition(b",")[0] + b"\n", "a raw row has no kafka_offset"),
        (lambda line: line.replace(b'"price","volume"', b'"volume","price"'), "header"),
    ],
    ids=["a wrong time", "no time", "a wrong price", "a column too few", "swapped columns"],
)
def test_a_raw_row_that_cannot_be_read_fails_the_job(
    spark: SparkSession, store: FolderStore, spoil: Callable[[bytes], bytes], reason: str
) -> None:
    (entry,) = land_quotes(store, [quote(event_time="2024-05-14T14:30:00.000Z", bid=1.0, ask=2.0)] * 2).objects
    lines = store.get(entry.key).splitlines(keepends=True)
    wrong = next(number for number, line in reversed([*enumerate(lines)]) if spoil(line) != line)
    lines[wrong] = spoil(lines[wrong])
    store.delete(entry.key)
    store.create(entry.key, b"".join(lines))
    with pytest.raises(PipelineError, match=reason) as raised:
        windows(spark, store, WindowsJob(RUN_DATE, RUN_DATE, 15, NOW))
    assert len(str(raised.value).splitlines()) == 1
    assert find_processed(store, "realtime", BATCH) is None


def test_a_lake_whose_folder_is_a_pattern_is_refused(spark: SparkSession, tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "lake[1]")
    land_quotes(store, [quote()])
    with pytest.raises(ConfigError, match=r"LAKE_URL: Spark takes \[ \] in .*lake\[1\] for a pattern"):
        read_quotes(spark, store, select_raw(store, QUOTES).keys)


def test_no_object_gives_no_row_but_the_columns(spark: SparkSession, store: FolderStore) -> None:
    empty = read_quotes(spark, store, {}).toArrow()
    assert empty.num_rows == 0
    assert empty.schema.field("event_time").type == pa.timestamp("us", tz="UTC")


def quotes_around(day: date) -> list[Quote]:
    """Return a quote every five minutes from 22:00 the day before to 02:00 the day after."""
    start = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=2)
    return [
        quote(
            symbol="^GSPC",
            event_time=to_text(start + number * timedelta(minutes=5)),
            price=100.0 + number % 9,
            volume=1,
        )
        for number in range(28 * 12)
    ]


@pytest.mark.parametrize("slide", [15, 5])
def test_a_windows_batch_accounts_for_every_quote(spark: SparkSession, store: FolderStore, slide: Any) -> None:
    quotes = quotes_around(RUN_DATE)
    middle = len(quotes) // 2
    copies = [quotes[3], quotes[middle], quotes[-3]]
    land_quotes(store, [*quotes[:middle], *copies], rejected=2)
    land_quotes(store, quotes[middle:], start=middle + 3 + 2, raw_format="parquet")
    land_quotes(store, [quote(event_time="2024-05-01T12:00:00.000Z")], partition=1)
    job = WindowsJob(RUN_DATE, RUN_DATE, slide, NOW)
    manifest = windows(spark, store, job)

    before, after = 45 // 5, (15 - slide) // 5
    assert manifest.rows_in == len(quotes) + 3
    assert manifest.rows_dropped == {
        "outside_range": 24 + 24 - before - after + 2,
        "context": before + after,
        "duplicate": 1,
    }
    assert manifest.inputs == [OffsetRange(topic=QUOTES, partition=0, start=0, end=len(quotes) + 3 + 2)]
    days = {file.key.partition("/symbol=")[0] for file in manifest.files}
    assert days == {"processed/realtime/year=2024/month=05/day=14"}

    rows = rows_in_lake(store, manifest, REALTIME_STOCK_ANALYTICS)
    aligned = [row for row in rows if row["window_end"].minute % 15 == 0]
    assert manifest.rows_in - sum(manifest.rows_dropped.values()) == sum(row["record_count_15m"] for row in aligned)
    landed = [*enumerate([*quotes[:middle], *copies]), *enumerate(quotes[middle:], middle + 5)]
    ticks = [Tick(q.symbol, from_text(q.event_time), q.price, q.volume, q.source, 0, offset) for offset, q in landed]
    expected = [row for row in reference_windows(ticks, slide) if row["window_start"].date() == RUN_DATE]
    stamped = {"batch_id", "transform_version", "processed_at"}
    assert_same_rows(
        [{name: value for name, value in row.items() if name not in stamped} for row in rows],
        expected,
        REALTIME_STOCK_ANALYTICS.key,
        deviations=("volatility_15m", "volatility_1h"),
    )


def test_days_without_a_quote_give_an_empty_batch(spark: SparkSession, store: FolderStore) -> None:
    day = date(2024, 5, 10)
    land_quotes(store, [quote(event_time="2024-05-09T12:00:00.000Z"), quote(event_time="2024-05-11T12:00:00.000Z")])
    manifest = windows(spark, store, WindowsJob(day, day, 15, NOW))
    assert (manifest.rows_in, manifest.rows_out, manifest.files) == (2, 0, [])
    assert manifest.rows_dropped == {"outside_range": 2, "context": 0, "duplicate": 0}


@pytest.mark.usefixtures("_signals")
def test_an_empty_lake_gives_an_empty_manifest_without_spark(
    store: FolderStore, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stockpipe.spark.jobs.batch_run.open_session", None)
    settings = StreamBatchSettings(lake_url=store.url, batch_id=BATCH)
    assert spark_stream_batch_processor.run(settings) == 0
    manifest = find_processed(store, "realtime", BATCH)
    assert manifest is not None
    assert (manifest.rows_in, manifest.rows_dropped, manifest.rows_out, manifest.files) == (0, {}, 0, [])
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["rows_out"] == 0


def test_a_committed_batch_is_not_computed_again(
    spark: SparkSession, store: FolderStore, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    land_bars(store, daily_bars("AAPL", 5))
    manifest = daily(spark, store, RUN_DATE)
    files = [info.key for info in store.list("")]
    monkeypatch.setattr("stockpipe.spark.jobs.batch_run.open_session", None)
    assert spark_batch_processor.run(DailySettings(lake_url=store.url, batch_id=BATCH)) == 0
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (summary["already_committed"], summary["rows_out"]) == (True, manifest.rows_out)
    assert [info.key for info in store.list("")] == files


def job_process(store: FolderStore, *flags: str) -> subprocess.Popen[str]:
    program = [sys.executable, "-m", "stockpipe.spark.jobs.spark_batch_processor"]
    return subprocess.Popen(
        [*program, "--lake-url", store.url, "--spark-master", "local[2]", "--batch-id", BATCH, *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_program_commits_and_prints_its_summary(store: FolderStore) -> None:
    land_bars(store, daily_bars("^GSPC", 40))
    job = job_process(store, "--run-date", RUN_DATE.isoformat(), "--exchange", "XNYS")
    output, errors = job.communicate(timeout=120)
    assert job.returncode == 0, errors[-2000:]
    manifest = find_processed(store, "daily", BATCH)
    assert manifest is not None
    summary = json.loads(output.splitlines()[-1])
    # The seven sessions up to Tuesday 2024-05-14 begin on Monday of the week before.
    assert manifest.rows_out == 9
    expected = {"batch_id": BATCH, "rows_in": 40, "rows_dropped": manifest.rows_dropped, "rows_out": 9, "files": 1}
    assert expected.items() <= summary.items()
    assert summary["seconds"] > 0


@pytest.mark.usefixtures("_signals")
def test_an_interrupt_that_a_library_swallows_still_ends_the_batch(
    spark: SparkSession, store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    land_bars(store, daily_bars("AAPL", 5))
    batch = Batch("daily", BATCH, select_raw(store, BARS))

    def swallow(*_: object) -> Outcome:
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        return Outcome(rows_read=5, rows_dropped={}, rows_used=5, rows_out=0, files=[])

    monkeypatch.setattr(batch_run, "open_session", lambda *_: spark)
    settings = DailySettings(lake_url=store.url, batch_id=BATCH)
    log = structlog.wrap_logger(structlog.ReturnLogger(), processors=[], wrapper_class=structlog.BoundLogger)
    with pytest.raises(KeyboardInterrupt):
        batch_run.run_batch("daily", settings, store, batch, swallow, ManualClock(NOW), log)
    assert find_processed(store, "daily", BATCH) is None


def test_sigterm_ends_a_batch_without_a_manifest(store: FolderStore) -> None:
    land_bars(store, daily_bars("AAPL", 5))
    job = job_process(store, "--from", "2024-05-01")
    assert job.stderr is not None
    assert any("batch_started" in line for line in job.stderr)
    job.send_signal(signal.SIGTERM)
    job.communicate(timeout=60)
    assert job.returncode == 130
    assert find_processed(store, "daily", BATCH) is None
