"""Quotes with unique ids into Kafka, and which of them Kafka acknowledged."""

import random
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from confluent_kafka import KafkaError, Message, Producer

from stockpipe.common.contracts.quote import Quote
from stockpipe.common.times import to_text
from support.records import quote

PER_SECOND = 200
SYMBOLS = tuple(f"S{number}" for number in range(12))
_COPY_SHARE = 0.03
_BAD_SHARE = 0.02


@dataclass
class Sent:
    """What was sent, by id: the good quotes, which of them are copies of another, the bad records."""

    quotes: dict[int, Quote] = field(default_factory=dict)
    bad: set[int] = field(default_factory=set)
    acknowledged: set[int] = field(default_factory=set)


class Traffic:
    """Sends quotes at a steady pace; the id of a quote is its volume, the id of a bad record its value.

    Some quotes are sent again under another id (same symbol, time and source), some records are no quotes.
    """

    def __init__(self, bootstrap: str, topic: str, rng: random.Random) -> None:
        self.sent = Sent()
        self._topic = topic
        self._rng = rng
        self._next_id = 1
        self._began = datetime.now(UTC)
        config: dict[str, Any] = {
            "bootstrap.servers": bootstrap,
            "enable.idempotence": True,
            "partitioner": "murmur2_random",
            "linger.ms": 5,
            "log_level": 0,
            "error_cb": lambda _error: None,
        }
        self._producer = Producer(config)

    def send(self, count: int, stop: threading.Event) -> None:
        """Send `count` records, PER_SECOND a second, each stamped with the time at which it was due."""
        first = datetime.now(UTC)
        for number in range(count):
            due = first + timedelta(seconds=number / PER_SECOND)
            if stop.wait(max(0.0, (due - datetime.now(UTC)).total_seconds())):
                return
            self._send_one(due)
            self._producer.poll(0)

    def flush(self) -> None:
        """Wait until every record is acknowledged or failed."""
        assert self._producer.flush(150) == 0

    def _send_one(self, at: datetime) -> None:
        identity = self._take_id()
        if self._rng.random() < _BAD_SHARE:
            self.sent.bad.add(identity)
            self._produce(identity, str(identity).encode(), self._rng.choice(SYMBOLS))
            return
        record = quote(
            symbol=SYMBOLS[identity % len(SYMBOLS)],
            event_time=to_text(at),
            price=100.0 + identity % 17 / 4,
            volume=identity,
            fetched_at=to_text(at),
        )
        self._send_quote(identity, record)
        if self._rng.random() < _COPY_SHARE:
            copy = self._take_id()
            self._send_quote(copy, msgspec.structs.replace(record, volume=copy))

    def _send_quote(self, identity: int, record: Quote) -> None:
        self.sent.quotes[identity] = record
        self._produce(identity, msgspec.json.encode(record), record.symbol)

    def _take_id(self) -> int:
        self._next_id += 1
        return self._next_id - 1

    def _produce(self, identity: int, value: bytes, key: str) -> None:
        def note(error: KafkaError | None, _message: Message) -> None:
            if error is None:
                self.sent.acknowledged.add(identity)

        while True:
            try:
                self._producer.produce(self._topic, value, key=key, headers=[("schema", b"quote.v1")], on_delivery=note)
                return
            except BufferError:
                self._producer.poll(0.1)
