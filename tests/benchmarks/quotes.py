"""Topics full of quotes: every volume is another one, so that a sum and a count tell whether all are there once."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from confluent_kafka import Producer

from stockpipe.common.contracts.quote import Quote
from stockpipe.common.kafka import end_offsets, group_reader
from stockpipe.common.settings import KafkaSettings
from stockpipe.common.times import to_text
from stockpipe.standalone.broker import Broker
from support.kafka_io import encoded
from support.records import quote

SYMBOLS = 200
PARTITIONS = 6
BAD_EVERY = 10_000
"""One record of so many breaks its contract."""
_BEGIN = datetime(2026, 11, 23, 14, 30, tzinfo=UTC)
_ROUND = timedelta(seconds=1)


@dataclass(frozen=True)
class Filled:
    """A topic with `good` quotes, of volumes 0 to good - 1, and `bad` records."""

    topic: str
    good: int
    bad: int

    @property
    def count(self) -> int:
        return self.good + self.bad

    @property
    def sum_of_volumes(self) -> int:
        return self.good * (self.good - 1) // 2


def quotes(count: int, begin: datetime = _BEGIN) -> Iterator[Quote]:
    """Yield quotes of 200 symbols a second of event time; each second is one request to the source."""
    for first in range(0, count, SYMBOLS):
        at = begin + first // SYMBOLS * _ROUND
        event_time, fetched_at = to_text(at), to_text(at + timedelta(milliseconds=250))
        fetch_id = f"sample-{at:%Y%m%dT%H%M%S}250Z-1a2b3c"
        for number in range(first, min(count, first + SYMBOLS)):
            yield quote(
                symbol=f"S{number - first:03}",
                event_time=event_time,
                price=100 + number % 9973 / 100,
                volume=number,
                fetched_at=fetched_at,
                fetch_id=fetch_id,
                exchange="XNAS",
            )


def settings_of(broker: Broker) -> KafkaSettings:
    return KafkaSettings(kafka_bootstrap_server=broker.bootstrap)


def fill(broker: Broker, topic: str, good: int, bad_every: int = BAD_EVERY) -> Filled:
    """Create the topic and its DLQ and fill it."""
    broker.create_topics(topic, partitions=PARTITIONS)
    config = {"bootstrap.servers": broker.bootstrap, "compression.type": "lz4", "linger.ms": 20, "log_level": 2}
    producer = Producer({**config, "enable.idempotence": True, "partitioner": "murmur2_random"})
    bad = 0
    for number, record in enumerate(quotes(good)):
        raw = encoded(record)
        _send(producer, topic, raw.value, raw.key, raw.headers)
        if bad_every and number % bad_every == bad_every // 2:
            bad += 1
            _send(producer, topic, b'{"symbol":', raw.key, raw.headers)
    assert producer.flush(60) == 0
    filled = Filled(topic, good, bad)
    # No broker may have dropped some before they are counted.
    reader = group_reader(settings_of(broker), "benchmark")
    kept = sum(high - low for low, high in end_offsets(reader, topic, range(PARTITIONS)).values())
    reader.close()
    assert kept == filled.count
    return filled


def _send(
    producer: Producer, topic: str, value: bytes | None, key: bytes | None, headers: Sequence[tuple[str, bytes]]
) -> None:
    while True:
        try:
            producer.produce(topic, value, key=key, headers=list(headers))
            return
        except BufferError:
            producer.poll(0.05)


def unique(prefix: str) -> str:
    """Return a name that no other pass has."""
    return f"{prefix}-{time.time_ns():x}"
