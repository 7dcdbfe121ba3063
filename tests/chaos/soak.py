"""A soak: the consumer at half of its highest rate for minutes, its memory, descriptors, threads and lag watched.

`make soak` runs it; it is no part of `make test`. The producer runs beside it, at hundreds of times its usual pace.
"""

import json
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from confluent_kafka import Producer

from chaos.supervisor import Supervised
from stockpipe.common.errors import Unavailable
from stockpipe.common.lake.folder import FolderStore
from stockpipe.common.times import to_text
from stockpipe.standalone.broker import Broker
from support.kafka_io import committed, encoded, end_offset
from support.programs import program_path
from support.records import quote
from support.waiting import eventually

TOPIC, PARTITIONS = "soaked", 6
WARM_UP = 50_000
MEASURED = 400_000
SAMPLE_SECONDS = 2.0
FLUSH_SECONDS = 10
SYMBOLS = 200


@dataclass(frozen=True)
class Sample:
    """A process at one moment: seconds since the start, resident MiB, open descriptors, threads; records behind."""

    at: float
    resident: float
    descriptors: int
    threads: int
    lag: int


@dataclass(frozen=True)
class Figures:
    """What a process used: the slope of its memory in MiB a minute, the other figures at least and at most."""

    resident_slope: float
    resident_most: float
    descriptors: tuple[int, int]
    threads: tuple[int, int]
    lag_most: int


class Load:
    """Quotes of 200 symbols, stamped with the second in which they are sent."""

    def __init__(self, broker: Broker) -> None:
        config = {"bootstrap.servers": broker.bootstrap, "compression.type": "lz4", "linger.ms": 20, "log_level": 2}
        self._producer = Producer({**config, "enable.idempotence": True, "partitioner": "murmur2_random"})

    def send(self, count: int, per_second: float, stop: threading.Event) -> int:
        """Send `count` quotes, or as many as can be until `stop`, at this rate; return how many."""
        began = time.monotonic()
        sent = 0
        while sent < count and not stop.is_set():
            sent += self._round(min(count - sent, max(SYMBOLS, int(per_second / 50))))
            stop.wait(max(0.0, began + sent / per_second - time.monotonic()))
        self._producer.flush(60)
        return sent

    def _round(self, count: int) -> int:
        at = to_text(datetime.now(UTC))
        records = [encoded(quote(symbol=f"S{number}", event_time=at, fetched_at=at)) for number in range(SYMBOLS)]
        for number in range(count):
            record = records[number % SYMBOLS]
            while True:
                try:
                    self._producer.produce(TOPIC, record.value, key=record.key, headers=list(record.headers))
                    break
                except BufferError:
                    self._producer.poll(0.05)
        self._producer.poll(0)
        return count


def sample(process: Supervised, began: float, lag: int) -> Sample:
    folder = Path(f"/proc/{process.pid}")
    status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
    resident = int(status["VmRSS"].split()[0]) / 1024
    descriptors = len(list((folder / "fd").iterdir()))
    return Sample(time.monotonic() - began, resident, descriptors, int(status["Threads"]), lag)


def figures(samples: list[Sample]) -> Figures:
    """Return the figures of the second half: before, the backlog's memory comes back and caches of times fill."""
    settled = samples[len(samples) // 2 :]
    slope = statistics.linear_regression([s.at / 60 for s in settled], [s.resident for s in settled]).slope
    descriptors, threads = [s.descriptors for s in settled], [s.threads for s in settled]
    return Figures(
        round(slope, 3),
        round(max(s.resident for s in samples), 1),
        (min(descriptors), max(descriptors)),
        (min(threads), max(threads)),
        max(s.lag for s in settled),
    )


@pytest.fixture
def consumer(broker: Broker, tmp_path: Path) -> Iterator[Supervised]:
    flags = ["--topic", "realtime", "--kafka-bootstrap-server", broker.bootstrap, "--kafka-topic-realtime", TOPIC]
    flags += ["--kafka-consumer-group-prefix", f"{TOPIC}-", "--lake-url", f"file://{tmp_path / 'lake'}"]
    flags += ["--flush-seconds", str(FLUSH_SECONDS)]
    process = Supervised("consumer", [program_path("stockpipe-consumer"), *flags], {}, tmp_path / "consumer.log")
    yield process
    process.stop()


@pytest.fixture
def producer(broker: Broker, tmp_path: Path) -> Iterator[Supervised]:
    broker.create_topics("produced")
    flags = ["--kafka-bootstrap-server", broker.bootstrap, "--kafka-topic-realtime", "produced", "--always-on"]
    command = [program_path("stockpipe-producer"), "realtime", *flags, "--fetch-interval-seconds", "0.05"]
    process = Supervised("producer", command, {}, tmp_path / "producer.log")
    yield process
    process.stop()


def landed_offsets(broker: Broker) -> int:
    try:
        return sum(offset or 0 for offset in committed(broker, TOPIC).values())
    except Unavailable:  # a group's coordinator isn't known at once
        return 0


def kafka_offsets(broker: Broker) -> int:
    return sum(end_offset(broker, TOPIC, partition) for partition in range(PARTITIONS))


def highest_rate(broker: Broker, load: Load, consumer: Supervised) -> float:
    """Return the records a second at which the consumer lands what waits for it."""
    load.send(WARM_UP + MEASURED, 1e9, threading.Event())
    consumer.keep_running()
    eventually(lambda: landed_offsets(broker) >= WARM_UP, "the first records are landed", 120)
    first, began = landed_offsets(broker), time.monotonic()
    eventually(lambda: landed_offsets(broker) >= WARM_UP + MEASURED, "all are landed", 120)
    return (WARM_UP + MEASURED - first) / (time.monotonic() - began)


@pytest.mark.timeout(3_600)
def test_memory_descriptors_threads_and_lag_stay_flat(
    broker: Broker,
    tmp_path: Path,
    consumer: Supervised,
    producer: Supervised,
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
) -> None:
    seconds: float = request.config.getoption("--soak-seconds")
    broker.create_topics(TOPIC, partitions=PARTITIONS)
    load, stop = Load(broker), threading.Event()
    highest = highest_rate(broker, load, consumer)
    producer.keep_running()
    consumed: list[Sample] = []
    produced: list[Sample] = []
    lake = FolderStore(tmp_path / "lake")
    began = time.monotonic()
    with ThreadPoolExecutor(1) as sending:
        sent = sending.submit(load.send, sys.maxsize, highest / 2, stop)
        try:
            while time.monotonic() < began + seconds:
                consumed.append(sample(consumer, began, kafka_offsets(broker) - landed_offsets(broker)))
                produced.append(sample(producer, began, 0))
                for entry in lake.list("raw/realtime/"):
                    lake.delete(entry.key)
                threading.Event().wait(SAMPLE_SECONDS)
        finally:
            stop.set()
    samples = {"consumer": [asdict(each) for each in consumed], "producer": [asdict(each) for each in produced]}
    (tmp_path / "samples.json").write_text(json.dumps(samples))
    found = {"consumer": figures(consumed), "producer": figures(produced)}
    said = {
        "highest_records_per_second": round(highest),
        "sent_per_second": round(sent.result() / seconds),
        "seconds": round(seconds),
        **{name: asdict(each) for name, each in found.items()},
    }
    with capsys.disabled():
        sys.stdout.write(f"\n{json.dumps(said, indent=2)}\n")
    assert (consumer.restarts, producer.restarts) == (0, 0)
    for name, each in found.items():
        assert abs(each.resident_slope) < 1.0, name
        assert each.resident_most < 512, name
        assert each.descriptors[1] - each.descriptors[0] <= 8, name
        assert each.threads[1] - each.threads[0] <= 2, name
    assert found["consumer"].lag_most < highest / 2 * (FLUSH_SECONDS + 20)
