"""The whole pipeline on a bucket: MinIO behind TLS, with a certificate of our own CA."""

import contextlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stockpipe.common.contracts.manifests import DatasetName
from stockpipe.common.lake.manifests import processed_manifests
from stockpipe.common.lake.s3 import S3Store
from stockpipe.standalone import paths
from stockpipe.standalone.broker import Broker
from stockpipe.standalone.jars import class_path
from stockpipe.standalone.minio import MinioServer, running_minio
from stockpipe.standalone.pipeline import program, spark_job
from stockpipe.standalone.processes import ChildProcess
from support.buckets import bucket_of, require_minio
from support.certificates import new_tls
from support.kafka_io import new_topic

SECONDS = 240.0
DAY = "2013-03-01"
BUCKET = "stock-market-data"
DATASETS: tuple[DatasetName, ...] = ("daily", "realtime", "realtime_live")
EVENT_LOGS = "spark.eventLog.enabled true\nspark.eventLog.compress false\nspark.eventLog.dir file://{folder}\n"


class Programs:
    """Runs the pipeline's programs with one environment; all they print is kept in `folder`."""

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self._environment = environment
        self._folder = folder
        self._count = 0
        folder.mkdir()

    def run(self, *commands: list[str]) -> list[str]:
        """Run the commands at the same time; return what each printed."""
        with contextlib.ExitStack() as running:
            started = [self._start(running, command) for command in commands]
            for process in started:
                code = process.wait(SECONDS)
                assert code == 0, f"exit code {code}:\n{process.last_lines(20)}"
        return [process.log.read_text() for process in started]

    def printed(self) -> str:
        return "".join(log.read_text() for log in self._folder.iterdir())

    def _start(self, running: contextlib.ExitStack, command: list[str]) -> ChildProcess:
        self._count += 1
        name = f"{self._count:02d}-{Path(command[0]).name}"
        process = ChildProcess(name, command, self._environment, self._folder / f"{name}.log")
        running.callback(process.close)
        return process


def summary(printed: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return found


@pytest.fixture
def minio(tmp_path: Path) -> Iterator[MinioServer]:
    require_minio()
    with running_minio(tmp_path / "minio", tls=new_tls(tmp_path / "certs")) as running:
        running.create_bucket(BUCKET)
        yield running


def test_every_hop_works_on_a_bucket_and_the_books_balance(broker: Broker, minio: MinioServer, tmp_path: Path) -> None:
    events, conf = tmp_path / "events", tmp_path / "conf"
    for folder in (events, conf):
        folder.mkdir()
    (conf / "spark-defaults.conf").write_text(EVENT_LOGS.format(folder=events))
    topics = {f"KAFKA_TOPIC_{kind}": new_topic(broker) for kind in ("REALTIME", "BATCH")}
    programs = Programs(
        {
            **minio.environment(BUCKET),
            **topics,
            "KAFKA_BOOTSTRAP_SERVER": broker.bootstrap,
            "KAFKA_CONSUMER_GROUP_PREFIX": f"{topics['KAFKA_TOPIC_BATCH']}-",
            "WAREHOUSE_URL": f"duckdb://{tmp_path}/warehouse.duckdb",
            "SYMBOLS": "AAPL,GOOG",
            "SPARK_MASTER": "local[2]",
            "SPARK_SHUFFLE_PARTITIONS": "2",
            "SPARK_EXTRA_CLASS_PATH": class_path(paths.SPARK_JARS),
            "SPARK_CONF_DIR": str(conf),
            "JDK_JAVA_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
            "PYSPARK_PYTHON": sys.executable,
        },
        tmp_path / "printed",
    )
    programs.run(
        program("producer", "batch", "--from", "2013-01-02", "--to", DAY),
        program("producer", "realtime", "--session-date", DAY, "--speed", "0"),
        program("loader", "migrate"),
    )
    programs.run(*(program("consumer", "--topic", kind, "--drain") for kind in ("realtime", "batch")))
    days = ["--from", DAY, "--to", DAY]
    outputs = programs.run(
        spark_job("spark_batch_processor", "--batch-id", "20261123T143000Z-daily", "--from=2013-01-02", "--to", DAY),
        spark_job("spark_stream_batch_processor", "--batch-id", "20261123T143000Z-windows", *days),
        spark_job("spark_stream_processor", "--available-now"),
    )
    made = dict(zip(DATASETS, map(summary, outputs), strict=True))
    assert made["daily"]["rows_in"] == made["daily"]["rows_out"] > 0
    assert made["realtime"]["rows_in"] == made["realtime_live"]["rows_in"] > 1_000
    for dataset, batch in made.items():
        programs.run(program("loader", "load", "--dataset", dataset, "--batch-id", batch["batch_id"]))
    (books,) = programs.run(program("auditor", "books"))
    assert "The books balance." in books
    (again,) = programs.run(program("producer", "batch", "--sources", "replay", "--from", "2013-01-02", "--to", DAY))
    assert summary(again)["records"] == made["daily"]["rows_in"]

    check_bucket(minio, S3Store(bucket_of(minio, BUCKET)))
    logs = "".join(path.read_text() for path in events.rglob("*") if path.is_file())
    assert "fs.s3a.endpoint" in logs
    for text in (programs.printed(), logs):
        assert minio.secret_key not in text


def check_bucket(minio: MinioServer, store: S3Store) -> None:
    """Check that manifests list all processed files, and that Spark's were completed in place, not copied."""
    listed = {file.key for name in DATASETS for batch in processed_manifests(store, name) for file in batch.files}
    found = {entry.object_name: entry for entry in minio.client().list_objects(BUCKET, "processed/", recursive=True)}
    files = {key for key in found if "/_manifests/" not in key and not key.endswith("/")}
    assert files == listed
    assert {key.split("/")[1] for key in files} == {"historical", "realtime", "realtime_live"}
    for key in files:
        # The magic committer uploads in parts, even if there is one, and completes the upload under the final name.
        in_parts = re.fullmatch(r"[0-9a-f]{32}-1", found[key].etag or "") is not None
        assert in_parts == ("/realtime_live/" not in key)
