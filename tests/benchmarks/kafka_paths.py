"""Producer and consumer against the bare client."""

import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any, cast

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from confluent_kafka import Consumer, Message, Producer
from prometheus_client import CollectorRegistry

from benchmarks.harness import Bench, Result, Run, Stopwatch, Target, against, paired, rarely_collected
from benchmarks.quotes import PARTITIONS, Filled, fill, quotes, settings_of, unique
from stockpipe.common.clock import SystemClock
from stockpipe.common.contracts.decode import Record, RecordDecoder, Rejected, common_schema, schema_header
from stockpipe.common.contracts.quote import Quote
from stockpipe.common.health import WatchedClock
from stockpipe.common.kafka import HeaderList, append_times_ms, end_offsets, group_reader, header_lists, new_consumer
from stockpipe.common.lake.folder import FolderStore
from stockpipe.common.lake.manifests import raw_manifests
from stockpipe.common.lake.raw_rows import RawFormat, decode_rows
from stockpipe.common.lake.store import ObjectStore
from stockpipe.common.logs import Logger, configure_logs
from stockpipe.common.metrics import ConsumerMetrics, ProducerMetrics
from stockpipe.common.service import serve_metrics
from stockpipe.consumer.breaker import Breaker
from stockpipe.consumer.buffer import PartitionBuffer
from stockpipe.consumer.cli import _group_config
from stockpipe.consumer.dlq import DeadLetters
from stockpipe.consumer.flush import Flusher
from stockpipe.consumer.intake import Intake
from stockpipe.consumer.service import POLL_MESSAGES, POLL_SECONDS, TOGETHER, ConsumerService
from stockpipe.consumer.settings import ConsumerSettings
from stockpipe.producer.sender import Sender
from stockpipe.standalone.broker import Broker
from stockpipe.standalone.ports import free_ports
from support.landing import check_sums, quiet_log
from support.memory_store import MemoryStore

_RAW_PRODUCER = {
    "enable.idempotence": True,
    "acks": "all",
    "compression.type": "lz4",
    "linger.ms": 50,
    "batch.size": 1_000_000,
    "batch.num.messages": 100_000,
    "log_level": 2,
}


def topic_of(bench: Bench) -> Filled:
    """Return the topic that all benchmarks of consumers read; filled when first asked for."""
    if "filled" not in bench.shared:
        bench.shared["filled"] = fill(bench.broker, "filled", bench.size(1_000_000, 200_000))
    found: Filled = bench.shared["filled"]
    return found


def _ends(broker: Broker, topic: str) -> int:
    reader = group_reader(settings_of(broker), "benchmark")
    try:
        return sum(high for _low, high in end_offsets(reader, topic, range(PARTITIONS)).values())
    finally:
        reader.close()


# Producer


def send(sender: Sender, records: Sequence[Quote]) -> Run:
    """Send the records as the producer does, 200 a request, to the last acknowledgement."""
    watch = Stopwatch()
    for number, record in enumerate(records):
        sender.send(record, "sample 1m S000..S199")
        if number % 200 == 0:
            sender.poll()
    sender.flush()
    return watch.run(len(records))


def produce(bench: Bench) -> list[Result]:
    """The producer's Sender, to the last acknowledgement, against librdkafka with bytes made before."""
    count = bench.size(500_000, 100_000)
    records = list(quotes(count))
    values = [msgspec.json.encode(record) for record in records]
    broker = bench.broker
    for topic in ("raw", "sent"):
        broker.create_topics(topic, partitions=PARTITIONS)
    producer = Producer({**_RAW_PRODUCER, "bootstrap.servers": broker.bootstrap})
    sender = Sender(settings_of(broker), "sent", ProducerMetrics(CollectorRegistry()), quiet_log())

    def raw() -> Run:
        watch = Stopwatch()
        for number, value in enumerate(values):
            while True:
                try:
                    producer.produce("raw", value)
                    break
                except BufferError:
                    producer.poll(0.05)
            if number % 1000 == 0:
                producer.poll(0)
        assert producer.flush(60) == 0
        return watch.run(count)

    runs = paired({"raw": raw, "sender": lambda: send(sender, records)}, bench.rounds)
    passes = bench.rounds + 1
    assert _ends(broker, "raw") == _ends(broker, "sent") == count * passes
    says = "Sender.send to the last acknowledgement / librdkafka with bytes encoded before"
    result = against(runs, "producer", "sender", "raw", says, Target(0.25, 0.35))
    result.raw = runs
    return [result]


# Consumer

_VOLUME: Callable[[Any], int] = attrgetter("volume")


class Timed:
    """A Consumer that notes when its first records came: joining a group isn't reading."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self.watch: Stopwatch | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._consumer, name)

    def consume(self, most: int, seconds: float) -> list[Message]:
        messages: list[Message] = self._consumer.consume(most, seconds)
        if self.watch is None and any(message.error() is None for message in messages[:1]):
            self.watch = Stopwatch()
        return messages


class Nothing:
    """Stands for metrics and logs that do nothing."""

    def __getattr__(self, _name: str) -> "Nothing":
        return self

    def __call__(self, *_args: object, **_fields: object) -> "Nothing":
        return self


def settings_for(broker: Broker, topic: str, raw_format: RawFormat = "csv") -> ConsumerSettings:
    """Return settings of a consumer that drains the topic as a group of its own."""
    return ConsumerSettings(
        topic="realtime",
        drain=True,
        raw_format=raw_format,
        kafka_bootstrap_server=broker.bootstrap,
        kafka_topic_realtime=topic,
        kafka_consumer_group_prefix=f"{unique('group')}-",
        lake_url="file:///unused",
    )


def read(broker: Broker, filled: Filled, take: Callable[[list[Message]], None] | None) -> Run:
    """Read the topic with the service's client settings, as a group; hand what each poll brings to `take`."""
    settings = settings_for(broker, filled.topic)
    group = settings.consumer_group("realtime")
    overrides = {**_group_config(settings), "auto.offset.reset": "earliest", "enable.partition.eof": False}
    plain, _errors = new_consumer(settings, quiet_log(), group, **overrides)
    consumer = Timed(plain)
    plain.subscribe([filled.topic])
    count = 0
    while count < filled.count:
        # asked for more than there are, it waits the whole time
        messages = consumer.consume(min(POLL_MESSAGES, filled.count - count), POLL_SECONDS)
        count += len(messages)
        if take is not None:
            take(messages)
    assert consumer.watch is not None
    run = consumer.watch.run(count)
    plain.close()
    return run


def _together(messages: list[Message]) -> Iterator[list[Message]]:
    """Yield what the service takes together."""
    for _partition, run in groupby(messages, Message.partition):
        same = list(run)
        for first in range(0, len(same), TOGETHER):
            yield same[first : first + TOGETHER]


def _decode(broker: Broker, filled: Filled) -> Run:
    """Read, decode and check each record as the service does, and drop it."""
    decoder = RecordDecoder("realtime")
    good = bad = volumes = 0

    def decode(some: list[Message]) -> list[Record]:
        headers, appended = header_lists(some), append_times_ms(some)
        values = [value for message in some if (value := message.value())]
        schema = common_schema(headers)
        together = decoder.decode_together(values, schema, appended) if schema and len(values) == len(some) else None
        return together or [*singly(map(Message.value, some), headers, appended)]

    def singly(values: Iterable[bytes | None], headers: list[HeaderList], appended: list[int]) -> Iterator[Record]:
        nonlocal bad
        for value, found, millis in zip(values, headers, appended, strict=True):
            try:
                yield decoder.decode(value, schema_header(found), millis)
            except Rejected:
                bad += 1

    def take(messages: list[Message]) -> None:
        nonlocal good, volumes
        for some in _together(messages):
            records = decode(some)
            good += len(records)
            volumes += sum(map(_VOLUME, records))

    run = read(broker, filled, take)
    assert (good, bad, volumes) == (filled.good, filled.bad, filled.sum_of_volumes)
    return run


def _decode_alone(broker: Broker, filled: Filled) -> Run:
    """Read and decode each value by its contract's types and bounds: no header, texts and times unchecked."""
    decode = msgspec.json.Decoder(Quote).decode
    good = bad = volumes = 0

    def take(messages: list[Message]) -> None:
        nonlocal good, bad, volumes
        for message in messages:
            try:
                volumes += decode(message.value() or b"").volume
                good += 1
            except msgspec.DecodeError:
                bad += 1

    run = read(broker, filled, take)
    assert (good, bad, volumes) == (filled.good, filled.bad, filled.sum_of_volumes)
    return run


def _take_in(broker: Broker, filled: Filled) -> Run:
    """Read, decode, check and buffer as the service does; full buffers are dropped."""
    intake = Intake("realtime", Breaker())
    buffers = [PartitionBuffer("realtime", number, 0) for number in range(PARTITIONS)]
    good = bad = volumes = 0

    def drop(buffer: PartitionBuffer) -> None:
        nonlocal good, bad, volumes
        rows = buffer.table()
        good += rows.num_rows
        bad += len(buffer.rejected)
        volumes += pc.sum(rows["volume"]).as_py()
        buffers[buffer.partition] = PartitionBuffer("realtime", buffer.partition, buffer.next)

    def take(messages: list[Message]) -> None:
        for some in _together(messages):
            buffer = buffers[some[0].partition() or 0]
            if not intake.take_together(some, buffer, 0.0):
                assert intake.take(iter(some), buffer, 0.0) is None
            if buffer.taken >= 50_000:
                drop(buffer)

    run = read(broker, filled, take)
    for buffer in list(buffers):
        drop(buffer)
    assert (good, bad, volumes) == (filled.good, filled.bad, filled.sum_of_volumes)
    return run


class NullStore(MemoryStore):
    """Takes everything, keeps only manifests."""

    def create(self, key: str, data: bytes) -> None:
        if "/_manifests/" in key:
            super().create(key, data)


def land(
    broker: Broker,
    filled: Filled,
    store: ObjectStore,
    *,
    observed: bool = True,
    raw_format: RawFormat = "csv",
    client: Callable[[Consumer], Timed] = Timed,
) -> Run:
    """Run the consumer's own service to the end of the topic: metrics served, logs written, DLQ on."""
    settings = settings_for(broker, filled.topic, raw_format)
    group = settings.consumer_group("realtime")
    log = configure_logs("consumer") if observed else cast(Logger, Nothing())
    clock = WatchedClock(SystemClock(), settings.stall_seconds)
    registry = CollectorRegistry()
    metrics = ConsumerMetrics(registry) if observed else cast(ConsumerMetrics, Nothing())
    if observed:
        serve_metrics(registry, free_ports(1)[0], clock)
    plain, errors = new_consumer(settings, log, group, **_group_config(settings))
    consumer = client(plain)
    flusher = Flusher(
        store, DeadLetters(settings, log, filled.topic), clock, filled.topic, "realtime", raw_format, writer="benchmark"
    )
    service = ConsumerService(
        settings,
        cast(Consumer, consumer),
        errors,
        group_reader(settings, group),
        flusher,
        store,
        clock,
        metrics,
        log,
        PARTITIONS,
    )
    summary = service.run(threading.Event())
    assert consumer.watch is not None
    run = consumer.watch.run(filled.count)
    assert (summary.records, summary.rejected, summary.skipped) == (filled.good, filled.bad, 0)
    return run


def check_landed(store: ObjectStore, filled: Filled) -> None:
    """Check that the lake holds each quote once."""
    rows = 0
    volumes: list[Any] = []
    for manifest in raw_manifests(store, filled.topic):
        check_sums(manifest)
        for entry in manifest.objects:
            table = decode_rows("realtime", entry.key, store.get(entry.key))
            rows += table.num_rows
            volumes.append(table["volume"])
    found = pa.chunked_array([chunk for column in volumes for chunk in column.chunks])
    assert (rows, pc.sum(found).as_py(), pc.count_distinct(found).as_py()) == (
        filled.good,
        filled.sum_of_volumes,
        filled.good,
    )


class Lakes:
    """A new folder for each pass; what it holds is checked and removed, outside of the clock."""

    def __init__(self, bench: Bench, filled: Filled) -> None:
        self._bench = bench
        self._filled = filled

    def land(self, **options: Any) -> Run:
        folder = self._bench.folder / unique("lake")
        store = FolderStore(folder)
        run = land(self._bench.broker, self._filled, store, **options)
        check_landed(store, self._filled)
        shutil.rmtree(folder)
        return run


def consume(bench: Bench) -> list[Result]:
    """The consumer step by step against consume() of the same client: decode and check, then the whole service."""
    filled = topic_of(bench)
    broker, lakes = bench.broker, Lakes(bench, filled)
    sides = {
        "raw": lambda: read(broker, filled, None),
        "types": lambda: _decode_alone(broker, filled),
        "decode": lambda: _decode(broker, filled),
        "intake": lambda: _take_in(broker, filled),
        "service": lakes.land,
        "unobserved": lambda: lakes.land(observed=False),
    }
    if not bench.quick:
        sides["parquet"] = lambda: lakes.land(raw_format="parquet")
        sides["null store"] = lambda: land(broker, filled, NullStore())
    with rarely_collected():
        runs = paired(sides, bench.rounds)
    bare = "the same client's consume(1000), nothing done with the messages"
    results = [
        against(runs, "consumer-decode", "decode", "raw", f"header, decode, check / {bare}", Target(0.5, 0.6)),
        against(runs, "consumer-types", "types", "raw", f"decode by types and bounds alone / {bare}"),
        against(runs, "consumer-intake", "intake", "raw", f"the same, into the service's buffers / {bare}"),
        against(runs, "consumer", "service", "raw", f"the whole service to a folder / {bare}", Target(0.18, 0.3)),
        against(
            runs,
            "observability",
            "service",
            "unobserved",
            "the service with metrics and logs / with none",
            Target(0.95, 1.0),
        ),
    ]
    if not bench.quick:
        results += [
            against(runs, "consumer-parquet", "parquet", "raw", f"the whole service, Parquet / {bare}"),
            against(runs, "consumer-null", "null store", "raw", f"the whole service, objects dropped / {bare}"),
        ]
    results[0].raw = runs
    return results
