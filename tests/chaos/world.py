"""The whole pipeline as real processes, on a broker, a store and a warehouse that can be made to fail."""

import contextlib
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaos.oracle import Landed, Verdict, Window, judge, wrong_windows
from chaos.supervisor import Supervised
from chaos.traffic import Traffic
from chaos.warehouses import Warehouse
from stockpipe.common.lake.s3 import S3Store
from stockpipe.standalone import paths
from stockpipe.standalone.broker import Broker
from stockpipe.standalone.jars import class_path
from stockpipe.standalone.minio import MinioServer
from support.buckets import bucket_of
from support.fatal_store import WITH_SUPPORT
from support.faulty_proxy import FaultyProxy
from support.kafka_io import read_all
from support.programs import program_path
from support.waiting import eventually

TOPIC, BARS = "stock-market-realtime", "stock-market-batch"
CATCH_UP_SECONDS = 480.0
"""A deadline, not a promise: a machine at twenty times its load takes minutes to start a killed Spark."""
DOOMED = Path(__file__).with_name("doomed_consumer.py")


@dataclass
class World:
    """Everything of one run; `services` are the processes that are kept running."""

    folder: Path
    broker: Broker
    minio: MinioServer
    proxy: FaultyProxy
    warehouse: Warehouse
    bucket: str
    traffic: Traffic
    services: dict[str, Supervised]

    def __post_init__(self) -> None:
        self.store = S3Store(bucket_of(self.minio, self.bucket))
        self.landed = Landed(self.store, TOPIC)

    def start(self) -> None:
        """Migrate the warehouse and start the services."""
        subprocess.run([program_path("stockpipe-loader"), "migrate"], env=self.environment(), check=True)
        self._service("consumer", self._consumer("--kafka-group-instance-id", "first"))
        self._service("loader", [program_path("stockpipe-loader"), "watch", "--poll-seconds", "0.5"])
        job = [sys.executable, "-m", "stockpipe.spark.jobs.spark_stream_processor", "--trigger-seconds", "1"]
        self._service("stream", job)
        self.keep_running()

    def environment(self) -> dict[str, str]:
        """Return the variables of every program."""
        through_proxy = {"MINIO_ENDPOINT": "http://{}:{}".format(*self.proxy.address)}
        pipeline = {
            "KAFKA_BOOTSTRAP_SERVER": self.broker.bootstrap,
            "SPARK_MASTER": "local[2]",
            "SPARK_SHUFFLE_PARTITIONS": "2",
            "SPARK_EXTRA_CLASS_PATH": class_path(paths.SPARK_JARS),
        }
        lake = self.minio.environment(self.bucket) | through_proxy
        return {**WITH_SUPPORT, **lake, **self.warehouse.environment(), **pipeline}

    def keep_running(self) -> None:
        """Start what has ended."""
        for service in self.services.values():
            service.keep_running()

    def scale(self, consumers: int) -> None:
        """Run so many consumers; those above the first are members without a name, which leave when they stop."""
        for number in range(2, 4):
            name = f"consumer-{number}"
            if number <= consumers and name not in self.services:
                self._service(name, self._consumer())
            elif number > consumers and name in self.services:
                self.services.pop(name).stop()

    def doom(self, moment: str, kind: str, number: int) -> None:
        """Replace the consumer by one that kills itself around its n-th write, again and again."""
        self._replace_consumer([sys.executable, str(DOOMED), "kill", moment, kind, str(number)])

    def spare(self) -> None:
        """Replace the consumer by a normal one."""
        self._replace_consumer([program_path("stockpipe-consumer")])

    def dead(self) -> set[int]:
        """Return the ids of the records in the DLQ."""
        return {int(message.value() or b"0") for message in read_all(self.broker, f"{TOPIC}.dlq")}

    def verdict(self) -> Verdict:
        """Judge what has landed."""
        return judge(self.traffic.sent, self.landed, self.dead())

    def wrong_windows(self) -> dict[Window, tuple[Any, Any]]:
        """Return the windows of which the warehouse has other counts than the raw quotes."""
        return wrong_windows(self.landed, self.warehouse.windows())

    def await_landed(self) -> None:
        """Wait until everything acknowledged is in the lake or the DLQ."""
        dead: set[int] = set()

        def arrived() -> bool:
            nonlocal dead
            self.keep_running()
            self.landed.refresh()
            missing = self.traffic.sent.acknowledged - self.landed.counts.keys() - dead
            if missing and missing <= self.traffic.sent.bad:
                dead = self.dead()
                missing -= dead
            return not missing

        eventually(arrived, "everything acknowledged has landed", CATCH_UP_SECONDS)

    def await_loaded(self) -> None:
        """Wait until the warehouse's windows count what has landed."""

        def arrived() -> bool:
            self.keep_running()
            return not self.wrong_windows()

        eventually(arrived, "the warehouse counts every quote", CATCH_UP_SECONDS)

    def books(self) -> tuple[int, dict[str, Any]]:
        """Run the auditor and return its exit code and its answer."""
        command = [program_path("stockpipe-auditor"), "books", "--json"]
        done = subprocess.run(command, env=self.environment(), capture_output=True, text=True, check=False, timeout=120)
        assert done.stdout, done.stderr[-2000:]
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return done.returncode, answer

    def stop(self) -> None:
        """Stop every service in order."""
        for service in self.services.values():
            service.stop()

    def _service(self, name: str, command: list[str]) -> None:
        self.services[name] = Supervised(name, command, self.environment(), self.folder / f"{name}.log")

    def _replace_consumer(self, program: list[str]) -> None:
        self.services["consumer"].stop()
        self._service("consumer", self._consumer("--kafka-group-instance-id", "first", program=program))
        self.services["consumer"].keep_running()

    def _consumer(self, *flags: str, program: list[str] | None = None) -> list[str]:
        command = program or [program_path("stockpipe-consumer")]
        return [*command, "--topic", "realtime", "--flush-seconds", "0.5", *flags]


@contextlib.contextmanager
def running_world(
    folder: Path, broker: Broker, minio: MinioServer, proxy: FaultyProxy, warehouse: Warehouse, rng: random.Random
) -> Iterator[World]:
    """Run the pipeline on a new bucket; the broker is its own."""
    bucket = f"chaos-{rng.randrange(10**9)}"
    minio.create_bucket(bucket)
    broker.create_topics(TOPIC, BARS)
    world = World(folder, broker, minio, proxy, warehouse, bucket, Traffic(broker.bootstrap, TOPIC, rng), services={})
    try:
        world.start()
        yield world
    finally:
        world.stop()
