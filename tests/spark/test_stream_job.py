"""The stream job against a real Kafka."""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from msgspec.structs import replace
from prometheus_client import CollectorRegistry
from pyspark.sql import SparkSession

from stockpipe.common.contracts.manifests import ProcessedManifest
from stockpipe.common.contracts.quote import Quote
from stockpipe.common.contracts.tables import REALTIME_STOCK_ANALYTICS
from stockpipe.common.errors import DataRefused
from stockpipe.common.lake import layout
from stockpipe.common.lake.folder import FolderStore
from stockpipe.common.lake.manifests import processed_keys, processed_manifests
from stockpipe.common.lake.processed_rows import read_file
from stockpipe.common.metrics import SparkMetrics
from stockpipe.common.times import from_text, to_text
from stockpipe.spark.jobs.spark_stream_processor import JOB
from stockpipe.spark.jobs.stream_run import Stream
from stockpipe.spark.settings import StreamSettings
from stockpipe.standalone import paths
from stockpipe.standalone.broker import Broker
from stockpipe.standalone.jars import class_path
from support.fatal_store import WITH_SUPPORT
from support.frames import assert_same_rows
from support.kafka_io import Raw, encoded, end_offset, new_topic, produce
from support.landing import quiet_log
from support.quotes import Tick, reference_windows
from support.records import quote
from support.waiting import eventually

START = datetime(2024, 5, 13, 23, 50, tzinfo=UTC)
SECONDS = 120
PROGRAM = ("-m", f"stockpipe.spark.jobs.{JOB}")
DOOMED = str(Path(__file__).with_name("doomed_stream.py"))


def quotes_of(symbols: list[str], first: int, count: int) -> list[Quote]:
    return [
        quote(
            symbol=symbol,
            event_time=to_text(START + number * timedelta(seconds=30)),
            price=100.0 + number % 11,
            volume=10 * number,
        )
        for number in range(first, first + count)
        for symbol in symbols
    ]


INVALID = [
    Raw(b"{"),
    Raw(b'{"symbol": "AAPL"}'),
    Raw(encoded(quote()).value, headers=[("schema", b"quote.v9")]),
    Raw(encoded(quote()).value, headers=[]),
    Raw(None),
]


@dataclass
class Site:
    """A lake, a topic, and the job on both."""

    folder: Path
    broker: Broker
    topic: str

    @property
    def store(self) -> FolderStore:
        return FolderStore(self.folder)

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoints/realtime_live"

    def start_job(self, *flags: str, program: Sequence[str] = PROGRAM) -> subprocess.Popen[str]:
        environment = {
            "KAFKA_BOOTSTRAP_SERVER": self.broker.bootstrap,
            "KAFKA_TOPIC_REALTIME": self.topic,
            "LAKE_URL": f"file://{self.folder}",
            "SPARK_MASTER": "local[2]",
            "SPARK_SHUFFLE_PARTITIONS": "2",
            "SPARK_EXTRA_CLASS_PATH": class_path(paths.SPARK_JARS),
        }
        return subprocess.Popen(
            [sys.executable, *program, *flags],
            env=WITH_SUPPORT | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run_here(self, spark: SparkSession, **changes: Any) -> dict[str, Any]:
        settings = StreamSettings(
            kafka_bootstrap_server=self.broker.bootstrap,
            kafka_topic_realtime=self.topic,
            lake_url=f"file://{self.folder}",
            available_now=True,
            **changes,
        )
        self.registry = CollectorRegistry()
        metrics = SparkMetrics(self.registry)
        return Stream(JOB, settings, self.store, metrics, quiet_log(), threading.Event(), lambda: None).run(spark)

    def metric(self, name: str) -> float:
        """Return a metric of the last `run_here`."""
        return self.registry.get_sample_value(f"stockpipe_spark_{name}", {"job": JOB}) or 0.0

    def manifests(self) -> list[ProcessedManifest]:
        return list(processed_manifests(self.store, "realtime_live"))

    def objects(self) -> dict[str, bytes]:
        keys = [info.key for info in self.store.list("processed/")]
        return {key: self.store.get(key) for key in keys}

    def latest_rows(self) -> list[dict[str, Any]]:
        """Return each window's row of the highest version, read as the loader reads them."""
        rows: dict[tuple[Any, ...], dict[str, Any]] = {}
        for manifest in self.manifests():
            for file in manifest.files:
                for batch in read_file(self.store, file, REALTIME_STOCK_ANALYTICS):
                    for row in batch.to_pylist():
                        key = tuple(row[name] for name in REALTIME_STOCK_ANALYTICS.key)
                        version = tuple(row[name] for name in REALTIME_STOCK_ANALYTICS.version)
                        assert row["batch_id"] == manifest.batch_id
                        if key not in rows or tuple(rows[key][n] for n in REALTIME_STOCK_ANALYTICS.version) < version:
                            rows[key] = row
        return list(rows.values())


@pytest.fixture
def site(tmp_path: Path, broker: Broker) -> Site:
    return Site(tmp_path / "lake", broker, new_topic(broker))


def ended(job: subprocess.Popen[str]) -> tuple[int, dict[str, Any], list[dict[str, Any]]]:
    """Return exit code, summary and the job's own log lines."""
    output, errors = job.communicate(timeout=SECONDS)
    assert output, errors[-2000:]
    logs = [json.loads(line) for line in errors.splitlines() if line.startswith("{")]
    return job.returncode, json.loads(output.splitlines()[-1]), logs


def reference(quotes: list[Quote], rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the expected windows; where a symbol's quotes lie in Kafka is taken from the rows."""
    places = {row["symbol"]: row for row in rows}
    ticks = [
        Tick(
            q.symbol, from_text(q.event_time), q.price, q.volume, q.source, places[q.symbol]["kafka_partition"], number
        )
        for number, q in enumerate(quotes)
    ]
    return reference_windows(ticks, 15)


def without(rows: list[dict[str, Any]], *columns: str) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name not in columns} for row in rows]


def test_windows_of_what_kafka_holds_are_committed_and_refused_records_counted(site: Site, spark: SparkSession) -> None:
    quotes = quotes_of(["AAPL", "^GSPC"], 0, 60)
    copies = [encoded(entry) for entry in quotes[:4]]
    produce(site.broker, site.topic, [*map(encoded, quotes), *copies, *INVALID])
    code, summary, logs = ended(site.start_job("--available-now"))

    assert code == 0
    records = len(quotes) + len(copies) + len(INVALID)
    (manifest,) = site.manifests()
    assert summary["rows_in"] == records == manifest.rows_in
    assert summary["rows_dropped"] == {"refused": len(INVALID), "duplicate": len(copies), "watermark": 0}
    assert (summary["batch_id"], summary["rows_out"]) == (manifest.batch_id, manifest.rows_out)
    assert manifest.rows_dropped is None
    assert sum(entry.end - entry.start for entry in manifest.inputs) == records
    (line,) = [line for line in logs if line["event"] == "micro_batch" and line["batch_id"]]
    assert line["rows_duplicate"] == len(copies)
    assert (line["rows_refused"], line["batch_id"]) == (len(INVALID), manifest.batch_id)

    days = [datetime(2024, 5, 13).date(), datetime(2024, 5, 14).date()]
    assert [file.key for file in manifest.files] == [layout.live_file(day, manifest.batch_id) for day in days]
    rows = site.latest_rows()
    stamped = ("batch_id", "transform_version", "processed_at")
    offsets = ("first_offset", "last_offset")
    assert_same_rows(
        without(rows, *stamped, *offsets),
        without(reference(quotes, rows), *offsets),
        REALTIME_STOCK_ANALYTICS.key,
        deviations=("volatility_15m", "volatility_1h"),
    )
    assert {to_text(row["processed_at"].replace(tzinfo=UTC)) for row in rows} == {manifest.produced_at}

    before = site.objects()
    began = datetime.now(UTC).replace(microsecond=0).timestamp()
    assert site.run_here(spark)["rows_in"] == 0, "a second run finds nothing new"
    assert site.metric("last_progress_timestamp_seconds") >= began, "a trigger without records is progress too"
    assert site.objects() == before


def test_a_replayed_micro_batch_changes_nothing(site: Site, spark: SparkSession) -> None:
    produce(site.broker, site.topic, map(encoded, quotes_of(["AAPL"], 0, 40)))
    first = site.run_here(spark)
    produce(site.broker, site.topic, map(encoded, quotes_of(["AAPL"], 40, 40)))
    second = site.run_here(spark)
    assert [entry.batch_id for entry in site.manifests()] == [first["batch_id"], second["batch_id"]]
    before = site.objects()

    # As a crash after the manifest and before Spark's own commit leaves it.
    for name in ("1", ".1.crc"):
        (site.checkpoint / "commits" / name).unlink()
    replayed = site.run_here(spark)
    assert replayed["rows_in"] == second["rows_in"] == 40
    assert replayed["batch_id"] == second["batch_id"]
    assert site.objects() == before

    # As a crash between the file and the manifest leaves it: the same bytes come again, and no second file.
    for path in ("1", ".1.crc"):
        (site.checkpoint / "commits" / path).unlink()
    site.store.delete(layout.processed_manifest("realtime_live", second["batch_id"]))
    assert site.run_here(spark)["batch_id"] == second["batch_id"]
    assert site.objects() == before


def test_records_of_an_aborted_transaction_are_no_quotes(site: Site, spark: SparkSession) -> None:
    producer = Producer({"bootstrap.servers": site.broker.bootstrap, "log_level": 2, "transactional.id": site.topic})
    producer.init_transactions()
    quotes = quotes_of(["AAPL"], 0, 10)
    never = encoded(replace(quotes[0], price=9_999.0))
    for records, commit in ((quotes[:5], True), ([], False), (quotes[5:], True)):
        producer.begin_transaction()
        for record in [encoded(entry) for entry in records] or [never]:
            producer.produce(site.topic, record.value, record.key, headers=list(record.headers), partition=0)
        producer.flush()
        producer.commit_transaction() if commit else producer.abort_transaction()
    eventually(lambda: end_offset(site.broker, site.topic) == 14, "the last transaction's marker is in the log")
    assert site.run_here(spark)["rows_in"] == 10
    assert max(row["high"] for row in site.latest_rows()) < 200
    assert sum(row["record_count_15m"] for row in site.latest_rows()) == 10
    assert sum(entry.end - entry.start for manifest in site.manifests() for entry in manifest.inputs) == 14


@pytest.mark.parametrize(("moment", "kind"), [("after", "object"), ("after", "manifest")])
def test_killed_in_a_micro_batch_it_comes_again_with_the_same_id_and_no_second_copy(
    site: Site, spark: SparkSession, moment: str, kind: str
) -> None:
    quotes = quotes_of(["AAPL"], 0, 40)
    produce(site.broker, site.topic, map(encoded, quotes))
    job = site.start_job("--available-now", program=(DOOMED, moment, kind, "1"))
    job.communicate(timeout=SECONDS)
    assert job.returncode == -signal.SIGKILL
    written = site.objects()
    assert len(site.manifests()) == (kind == "manifest")

    summary = site.run_here(spark)
    (manifest,) = site.manifests()
    assert (summary["rows_in"], summary["batch_id"]) == (40, manifest.batch_id)
    # Two days, two files: the one that was there is kept, and nothing is there twice.
    final = site.objects()
    assert {key for key in final if key.endswith(".parquet")} == {entry.key for entry in manifest.files}
    assert len(manifest.files) == 2
    assert {key: final[key] for key in written} == written
    assert sum(row["record_count_15m"] for row in site.latest_rows()) == len(quotes)


def test_sigterm_ends_the_stream_between_micro_batches(site: Site) -> None:
    produce(site.broker, site.topic, map(encoded, quotes_of(["AAPL"], 0, 40)))
    job = site.start_job("--trigger-seconds", "1")
    try:
        eventually(lambda: any(processed_keys(site.store, "realtime_live")), "the first manifest", SECONDS)
        job.send_signal(signal.SIGTERM)
        code, summary, _logs = ended(job)
    finally:
        job.kill()
    assert (code, summary["rows_in"]) == (0, 40)
    offsets, commits = (
        {int(path.name) for path in (site.checkpoint / kind).glob("[0-9]*")} for kind in ("offsets", "commits")
    )
    assert int(summary["batch_id"].rpartition("-")[2]) in commits
    assert len(offsets - commits) <= 1


def test_records_that_retention_deleted_end_the_stream(site: Site, spark: SparkSession) -> None:
    one_partition = [encoded(entry, partition=0) for entry in quotes_of(["AAPL"], 0, 20)]
    produce(site.broker, site.topic, one_partition)
    site.run_here(spark)
    produce(site.broker, site.topic, one_partition)
    admin = AdminClient({"bootstrap.servers": site.broker.bootstrap})
    for deleted in admin.delete_records([TopicPartition(site.topic, 0, 30)]).values():
        deleted.result()
    with pytest.raises(DataRefused, match=f"Kafka deleted records of {site.topic}"):
        site.run_here(spark)
    assert len(site.manifests()) == 1
