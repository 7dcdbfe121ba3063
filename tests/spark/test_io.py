"""Readers and writers by themselves: what they take from settings, manifests, checkpoints and messages."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from pydantic import SecretStr
from pyspark.sql import SparkSession

from stockpipe.common.contracts.maintenance import RawRetention
from stockpipe.common.contracts.manifests import OffsetRange
from stockpipe.common.contracts.tables import REALTIME_STOCK_ANALYTICS
from stockpipe.common.errors import DataRefused, PipelineError, Unavailable
from stockpipe.common.lake import layout
from stockpipe.common.lake.folder import FolderStore
from stockpipe.common.lake.raw_rows import RAW_COLUMNS
from stockpipe.common.lake.retention import append_mark
from stockpipe.common.lake.s3_bucket import Bucket
from stockpipe.common.times import from_millis, from_text
from stockpipe.spark.io.checkpoint import CheckpointDamaged, MicroBatch, read_micro_batch
from stockpipe.spark.io.kafka import accepted, decoded, kafka_options
from stockpipe.spark.io.live import commit_live
from stockpipe.spark.io.raw import merge_ranges, select_raw
from stockpipe.spark.io.s3a import s3a_environment
from stockpipe.spark.io.session import session_confs
from stockpipe.spark.io.writer import Attempt
from stockpipe.spark.jobs.errors import cause, stream_failure
from stockpipe.spark.settings import SparkSettings, StreamSettings
from stockpipe.spark.transforms.windows import QUOTE_COLUMNS
from support.frames import rows_of
from support.processed import window_row
from support.raw_lake import QUOTES, land_quotes
from support.records import quote

APPENDED = datetime(2026, 11, 23, 14, 30, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path)


def stream_settings(**changes: Any) -> StreamSettings:
    return StreamSettings(kafka_bootstrap_server="kafka:9092", lake_url="file:///unused", **changes)


def ranges(*entries: tuple[int, int, int]) -> tuple[OffsetRange, ...]:
    return tuple(OffsetRange(topic=QUOTES, partition=p, start=start, end=end) for p, start, end in entries)


def test_kafka_options_are_named_as_java_names_them() -> None:
    settings = stream_settings(
        kafka_security_protocol="SASL_SSL",
        kafka_sasl_username="reader",
        kafka_sasl_password=SecretStr('pass"word\\'),
        kafka_ssl_ca_location=Path("/tls/ca.crt"),
    )
    assert kafka_options(settings) == {
        "kafka.bootstrap.servers": "kafka:9092",
        "kafka.security.protocol": "SASL_SSL",
        "kafka.sasl.mechanism": "SCRAM-SHA-512",
        "kafka.sasl.jaas.config": "org.apache.kafka.common.security.scram.ScramLoginModule required "
        r'username="reader" password="pass\"word\\";',
        "kafka.ssl.truststore.type": "PEM",
        "kafka.ssl.truststore.location": "/tls/ca.crt",
    }


def bucket_settings(**changes: Any) -> SparkSettings:
    keys = {"minio_access_key": "reader", "minio_secret_key": "hush-hush"}
    return SparkSettings(lake_url="s3://stock-market-data", **(keys | changes))


def test_the_confs_follow_the_settings() -> None:
    settings = SparkSettings(
        lake_url="file:///lake", spark_extra_class_path="/jars/*", spark_shuffle_partitions=12, spark_ui=True
    )
    confs = session_confs(settings, None)
    assert confs["spark.sql.shuffle.partitions"] == "12"
    assert confs["spark.driver.extraClassPath"] == confs["spark.executor.extraClassPath"] == "/jars/*"
    assert confs["spark.ui.enabled"] == "true"
    assert "spark.master" not in confs, "spark-submit decides"
    assert not [name for name in confs if "s3a" in name]


def test_a_folder_is_written_without_a_process_for_each_file(spark: SparkSession, tmp_path: Path) -> None:
    gateway: Any = spark.sparkContext._gateway
    context: Any = spark.sparkContext._jsc
    files = gateway.jvm.org.apache.hadoop.fs.Path(tmp_path.as_uri()).getFileSystem(context.hadoopConfiguration())
    assert files.getClass().getSimpleName() == "BareLocalFileSystem", "Hadoop's own starts chmod"


def test_a_bucket_gets_its_confs_and_no_conf_tells_a_credential() -> None:
    settings = bucket_settings(minio_endpoint="minio:9000", minio_region="eu-west-3")
    confs = session_confs(settings, Bucket.of(settings))
    s3a = {name.removeprefix("spark.hadoop.fs.s3a."): value for name, value in confs.items()}
    assert (s3a["endpoint"], s3a["path.style.access"], s3a["connection.ssl.enabled"]) == (
        "http://minio:9000",
        "true",
        "false",
    )
    assert (s3a["endpoint.region"], s3a["committer.name"]) == ("eu-west-3", "magic")
    assert not [value for value in confs.values() if "reader" in value or "hush" in value]

    on_aws = session_confs(settings, Bucket.of(bucket_settings()))
    assert "spark.hadoop.fs.s3a.endpoint" not in on_aws
    assert "spark.hadoop.fs.s3a.path.style.access" not in on_aws
    assert on_aws["spark.hadoop.fs.s3a.connection.ssl.enabled"] == "true"


def test_a_role_takes_the_place_of_the_keys() -> None:
    settings = SparkSettings(
        lake_url="s3://stock-market-data",
        aws_role_arn="arn:aws:iam::1:role/spark",
        aws_web_identity_token_file=Path("/token"),
    )
    bucket = Bucket.of(settings)
    provider = session_confs(settings, bucket)["spark.hadoop.fs.s3a.aws.credentials.provider"]
    assert provider == "software.amazon.awssdk.auth.credentials.WebIdentityTokenFileCredentialsProvider"
    assert s3a_environment(bucket) == {
        "AWS_ROLE_ARN": "arn:aws:iam::1:role/spark",
        "AWS_WEB_IDENTITY_TOKEN_FILE": "/token",
        "AWS_REGION": "us-east-1",
    }


@pytest.mark.parametrize(
    "folder", ["_temporary/0/task_1", "__magic_job-1/tasks/attempt_1/__base", "__magic/job-1/__base"]
)
def test_what_a_committer_has_not_finished_is_no_file_of_the_attempt(folder: str) -> None:
    attempt = Attempt("20240514T120000Z-daily", "a1b2c3")
    name = "part-20240514T120000Z-daily-a1b2c3-00000-4f.c000.snappy.parquet"
    assert attempt.wrote(f"processed/historical/run_date=2024-05-14/symbol=AAPL/{name}")
    assert not attempt.wrote(f"processed/historical/run_date=2024-05-14/{folder}/symbol=AAPL/{name}")
    assert not attempt.wrote(f"processed/historical/symbol=AAPL/{name.replace('a1b2c3', 'd4e5f6')}")


def test_ranges_that_follow_each_other_are_one() -> None:
    scattered = ranges((1, 5, 9), (0, 10, 20), (0, 0, 10), (1, 9, 12), (0, 21, 30))
    assert merge_ranges(scattered) == ranges((0, 0, 20), (0, 21, 30), (1, 5, 12))


def test_only_objects_that_may_hold_the_interval_are_selected(store: FolderStore) -> None:
    hours = ["12:59:59.999", "13:00:00.000", "13:59:59.999", "14:00:00.000"]
    manifests = [
        land_quotes(store, [quote(event_time=f"2026-11-23T{hour}Z")], start=number) for number, hour in enumerate(hours)
    ]
    until = APPENDED.replace(minute=0)
    selected = select_raw(store, QUOTES, since=until - timedelta(hours=1), until=until)
    assert selected.keys == {tuple(RAW_COLUMNS["realtime"]): [m.objects[0].key for m in manifests[1:3]]}
    assert (selected.rows, selected.ranges) == (2, ranges((0, 1, 3)))
    assert select_raw(store, QUOTES).rows == 4


def test_a_range_that_retention_removed_quotes_of_is_refused(store: FolderStore) -> None:
    land_quotes(store, [quote(event_time="2026-11-23T13:00:00.000Z")], start=7)
    mark = RawRetention(
        topic=QUOTES,
        partition=3,
        start=0,
        end=7,
        records=7,
        rejected=0,
        skipped=0,
        max_event_time="2026-11-23T12:30:00.000Z",
        objects=[],
        retained_at="2026-12-23T03:00:00.000Z",
    )
    assert append_mark(store, layout.raw_retention_prefix(QUOTES, 3), None, mark)
    noon = APPENDED.replace(hour=12, minute=0)
    with pytest.raises(
        DataRefused, match=r"retention removed .* up to 2026-11-23T12:30.* partition 3 .*before 7, on 2026"
    ):
        select_raw(store, QUOTES, since=noon, until=noon + timedelta(hours=3))
    assert select_raw(store, QUOTES, since=noon + timedelta(minutes=31), until=noon + timedelta(hours=3)).rows == 1


def checkpoint_file(store: FolderStore, name: str, *lines: str) -> None:
    store.create(f"cp/{name}", "\n".join(lines).encode())


def test_a_micro_batch_is_what_its_checkpoint_adds(store: FolderStore) -> None:
    checkpoint_file(store, "sources/0/0", "\0v1", '{"q":{"0":7,"1":0}}')
    checkpoint_file(store, "offsets/0", "v1", '{"batchTimestampMs":1795451600123}', '{"q":{"0":10,"1":0}}')
    checkpoint_file(store, "offsets/1", "v1", '{"batchTimestampMs":1795451601000}', '{"q":{"0":10,"1":4,"2":3}}')
    first, second = (read_micro_batch(store, "cp", number) for number in (0, 1))
    assert first.ranges == (OffsetRange(topic="q", partition=0, start=7, end=10),)
    assert first.offsets == 3
    assert second.ranges == (
        OffsetRange(topic="q", partition=1, start=0, end=4),
        OffsetRange(topic="q", partition=2, start=0, end=3),
    )
    assert first.batch_id("3f8a1c2d-77aa-4b5c-9d10-001122334455") == "20261123T163320Z-stream-3f8a1c2d77aa-0000000000"
    assert first.started_at == from_millis(1795451600123)


@pytest.mark.parametrize(
    "lines",
    [("v2", '{"batchTimestampMs":1}', '{"q":{"0":1}}'), ("v1", "{}", '{"q":{"0":1}}'), ("v1", "{}", "-"), ("v1",)],
    ids=["version", "no time", "no offsets", "short"],
)
def test_another_form_of_checkpoint_is_named(store: FolderStore, lines: tuple[str, ...]) -> None:
    checkpoint_file(store, "sources/0/0", "v1", '{"q":{"0":0}}')
    checkpoint_file(store, "offsets/0", *lines)
    with pytest.raises(CheckpointDamaged, match="cp/offsets/0"):
        read_micro_batch(store, "cp", 0)


MICRO_BATCH = MicroBatch(3, APPENDED, ranges((0, 5, 9)))
LIVE_ID = MICRO_BATCH.batch_id("0123456789abcdef")


def live_rows(*starts: datetime) -> pa.Table:
    rows = [
        window_row(window_start=start, batch_id=LIVE_ID, symbol=symbol) for start in starts for symbol in ("B", "A")
    ]
    naive = [{k: v.replace(tzinfo=None) if isinstance(v, datetime) else v for k, v in row.items()} for row in rows]
    return pa.Table.from_pylist(naive, REALTIME_STOCK_ANALYTICS.arrow_schema)


def test_a_micro_batch_is_one_file_a_day_in_order(store: FolderStore) -> None:
    last, first = APPENDED.replace(hour=0, minute=0), APPENDED.replace(hour=0, minute=0) - timedelta(minutes=15)
    manifest = commit_live(store, MICRO_BATCH, LIVE_ID, live_rows(last, first))
    assert manifest is not None
    assert [file.key for file in manifest.files] == [layout.live_file(t.date(), LIVE_ID) for t in (first, last)]
    assert (manifest.rows_in, manifest.rows_out, manifest.rows_dropped) == (4, 4, None)
    assert manifest.inputs == list(MICRO_BATCH.ranges)


def test_a_replay_whose_sums_round_otherwise_keeps_the_first_file(store: FolderStore) -> None:
    first = commit_live(store, MICRO_BATCH, LIVE_ID, live_rows(APPENDED))
    keys = [info.key for info in store.list("")]
    rows = live_rows(APPENDED)
    position = rows.schema.get_field_index("ma_1h")
    rounded = rows.set_column(position, rows.schema.field(position), [[186.1 + 0.1, 186.1 - 0.1]])
    assert commit_live(store, MICRO_BATCH, LIVE_ID, rounded) == first
    assert [info.key for info in store.list("")] == keys


def test_what_a_crashed_try_wrote_otherwise_is_left_alone(store: FolderStore) -> None:
    key = layout.live_file(APPENDED.date(), LIVE_ID)
    store.create(key, b"another version's bytes")
    manifest = commit_live(store, MICRO_BATCH, LIVE_ID, live_rows(APPENDED))
    assert manifest is not None
    assert store.get(key) == b"another version's bytes"
    assert [file.key.startswith(key.removesuffix(".parquet") + "-") for file in manifest.files] == [True]


def test_a_micro_batch_without_offsets_and_rows_leaves_no_trace(store: FolderStore) -> None:
    assert commit_live(store, replace(MICRO_BATCH, ranges=()), LIVE_ID, live_rows()) is None
    assert [*store.list("")] == []


def test_a_micro_batch_of_refused_records_leaves_its_offsets(store: FolderStore) -> None:
    manifest = commit_live(store, MICRO_BATCH, LIVE_ID, live_rows())
    assert manifest is not None
    assert (manifest.rows_in, manifest.rows_out, manifest.files) == (4, 0, [])


def test_records_get_the_consumers_verdict(spark: SparkSession) -> None:
    valid = quote(event_time="2026-11-23T14:30:05.000Z", bid=1.5)
    fields = msgspec.to_builtins(valid)
    late_by_a_hair = msgspec.json.encode(quote(event_time="2026-11-23T14:30:05.001Z"))
    schema = ("schema", b"quote.v1")
    records = {
        None: (msgspec.json.encode(valid), [("fetch_id", b"x"), schema]),
        "empty_value": (None, [schema]),
        "too_large": (b" " * 70_000, [schema]),
        "not_json": (b'{"symbol": "\xff"}', [schema]),
        "missing_field": (msgspec.json.encode({k: v for k, v in fields.items() if k != "price"}), [schema]),
        "wrong_type": (msgspec.json.encode(fields | {"price": "1"}), [schema]),
        "out_of_bounds": (msgspec.json.encode(fields | {"price": 0}), [schema]),
        "future_time": (late_by_a_hair, [schema]),
        "unknown_schema": (msgspec.json.encode(valid), [("schema", b"\xff")]),
    }
    ddl = (
        "value binary, headers array<struct<key: string, value: binary>>, "
        "timestamp timestamp, partition int, offset bigint"
    )
    rows: list[tuple[Any, ...]] = [
        (value, headers, APPENDED, 3, 10 + n) for n, (value, headers) in enumerate(records.values())
    ]
    rows.append((msgspec.json.encode(valid), None, APPENDED, 3, 99))
    verdicts = decoded(spark.createDataFrame(rows, ddl))
    found = sorted(rows_of(verdicts), key=lambda row: row["kafka_offset"])
    assert [row["reason"] for row in found] == [*records, "unknown_schema"]
    assert [row["kafka_offset"] for row in found] == [*range(10, 10 + len(records)), 99]

    kept = accepted(verdicts)
    assert kept.columns == list(QUOTE_COLUMNS)
    expected = {name: getattr(valid, name, None) for name in QUOTE_COLUMNS} | {
        "event_time": from_text(valid.event_time).replace(tzinfo=None),
        "kafka_partition": 3,
        "kafka_offset": 10,
    }
    assert rows_of(kept) == [expected]


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("x\nCaused by: a.KafkaIllegalStateException: Some data may have been lost", DataRefused, "deleted records"),
        ("Caused by: org.apache.kafka.common.errors.TimeoutException: x", Unavailable, "kafka:9092 stopped answering"),
        ("boom\n\tat x\nCaused by: e: [FILE] f\n\tat y\nCaused by: c: z\n", PipelineError, "failed: [FILE] f c: z"),
        ("boom\nsecond line", PipelineError, "failed: boom"),
    ],
    ids=["data loss", "broker gone", "cause", "no cause"],
)
def test_a_failed_stream_is_explained_in_one_line(text: str, kind: type[PipelineError], message: str) -> None:
    explained = stream_failure(RuntimeError(text), stream_settings())
    assert type(explained) is kind
    assert message in str(explained)
    assert len(str(explained).splitlines()) == 1


def test_an_error_without_text_is_named_by_its_type() -> None:
    assert cause(KeyError()) == "KeyError"
