"""The whole pipeline on a bucket: MinIO behind TLS, with a certificate of our own CA."""

import json
import os
import re
import subprocess
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
from stockpipe.standalone.minio_program import find_minio
from stockpipe.standalone.pipeline import program, spark_job
from support.buckets import bucket_of
from support.certificates import new_tls
from support.kafka_io import new_topic

DAY = "2013-03-01"
BUCKET = "stock-market-data"
DATASETS: tuple[DatasetName, ...] = ("daily", "realtime", "realtime_live")
EVENT_LOGS = "spark.eventLog.enabled true\nspark.eventLog.compress false\nspark.eventLog.dir file://{folder}\n"


class Programs:
    """Runs the pipeline's programs with one environment and keeps what they print."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = os.environ | environment
        self.printed = ""

    def run(self, *commands: list[str]) -> list[str]:
        """Run the commands at the same time; return what each printed on standard output."""
        started = [
            subprocess.Popen(command, env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            for command in commands
        ]
        outputs = []
        try:
            for process in started:
                output, errors = process.communicate(timeout=240)
                self.printed += output + errors
                assert process.returncode == 0, output + errors[-3000:]
                outputs.append(output)
        finally:
            for process in started:
                process.kill()
                process.communicate()
        return outputs


def summary(output: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(output.splitlines()[-1])
    return found


@pytest.fixture
def minio(tmp_path: Path) -> Iterator[MinioServer]:
    if find_minio() is None:
        pytest.skip("no MinIO server: `make test` builds one if Go is installed, or put minio on the PATH")
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
        }
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

    check_bucket(minio, S3Store(bucket_of(minio, BUCKET)))
    logs = "".join(path.read_text() for path in events.rglob("*") if path.is_file())
    assert "fs.s3a.endpoint" in logs
    for text in (programs.printed, logs):
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
