"""What the clients' defaults cost against the settings of the services."""

from confluent_kafka import Consumer, Producer
from prometheus_client import CollectorRegistry

from benchmarks.harness import Bench, Result, Run, Stopwatch, Target, against, paired, rarely_collected
from benchmarks.kafka_paths import Timed, read, send, topic_of
from benchmarks.quotes import PARTITIONS, Filled, quotes, settings_of, unique
from stockpipe.common.metrics import ProducerMetrics
from stockpipe.consumer.service import POLL_MESSAGES, POLL_SECONDS
from stockpipe.producer.sender import Sender
from stockpipe.standalone.broker import Broker
from support.kafka_io import encoded, end_offset
from support.landing import quiet_log


def traps(bench: Bench) -> list[Result]:
    """Client and producer with their defaults; the settings exist for what this shows."""
    return [_consumer(bench), _producer(bench)]


def _consumer(bench: Bench) -> Result:
    broker, filled = bench.broker, topic_of(bench)
    sides = {"defaults": lambda: _read_with_defaults(broker, filled), "settings": lambda: read(broker, filled, None)}
    with rarely_collected():
        runs = paired(sides, bench.rounds)
    says = "consume(1000) with the service's settings / with the client's defaults, nothing done with the messages"
    result = against(runs, "config-trap", "settings", "defaults", says, Target(2.0, 3.0))
    result.raw = runs
    return result


def _read_with_defaults(broker: Broker, filled: Filled) -> Run:
    group = unique("defaults")
    plain = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": group, "auto.offset.reset": "earliest"})
    consumer = Timed(plain)
    plain.subscribe([filled.topic])
    count = 0
    while count < filled.count:
        count += len(consumer.consume(POLL_MESSAGES, POLL_SECONDS))
    assert consumer.watch is not None
    run = consumer.watch.run(count)
    plain.close()
    assert count == filled.count
    return run


def _producer(bench: Bench) -> Result:
    broker = bench.broker
    records = list(quotes(bench.size(50_000, 20_000)))
    few = [encoded(record) for record in records[: bench.size(5_000, 1_000)]]
    for topic in ("trap-flushed", "trap-sent"):
        broker.create_topics(topic, partitions=PARTITIONS)
    producer = Producer({"bootstrap.servers": broker.bootstrap, "log_level": 2})
    sender = Sender(settings_of(broker), "trap-sent", ProducerMetrics(CollectorRegistry()), quiet_log())

    def flushed() -> Run:
        watch = Stopwatch()
        for raw in few:
            producer.produce("trap-flushed", raw.value, raw.key, headers=list(raw.headers))
            assert producer.flush(60) == 0
        return watch.run(len(few))

    runs = paired({"flush per message": flushed, "sender": lambda: send(sender, records)}, bench.rounds)
    for topic, count in {"trap-flushed": len(few), "trap-sent": len(records)}.items():
        kept = sum(end_offset(broker, topic, partition) for partition in range(PARTITIONS))
        assert kept == count * (bench.rounds + 1)
    says = "Sender to the last acknowledgement / the client's defaults, flush() after each message"
    result = against(runs, "config-trap-flush", "sender", "flush per message", says)
    result.raw = runs
    return result
