"""Records into Kafka, with every failed delivery counted."""

from collections import Counter

import msgspec
from confluent_kafka import KafkaError, KafkaException, Message

from stockpipe.common.contracts import corporate_action, daily_bar, quote
from stockpipe.common.contracts.corporate_action import CorporateAction
from stockpipe.common.contracts.daily_bar import DailyBar
from stockpipe.common.contracts.decode import Record
from stockpipe.common.contracts.quote import Quote
from stockpipe.common.contracts.topics import HEADER_FETCH_ID, HEADER_REQUEST, HEADER_SCHEMA
from stockpipe.common.errors import PartialFailure, Unavailable
from stockpipe.common.kafka import new_producer
from stockpipe.common.logs import Logger
from stockpipe.common.metrics import ProducerMetrics
from stockpipe.common.settings import KafkaSettings
from stockpipe.common.trace_ids import TRACEPARENT, traceparent

FLUSH_SECONDS = 130.0
"""Longer than librdkafka's delivery time-out of 120 s, after which every record is acknowledged or failed."""

_SCHEMAS: dict[type[Record], str] = {
    Quote: quote.SCHEMA,
    DailyBar: daily_bar.SCHEMA,
    CorporateAction: corporate_action.SCHEMA,
}


class Sender:
    """Sends records to one topic, keyed by symbol."""

    def __init__(
        self, settings: KafkaSettings, topic: str, metrics: ProducerMetrics, log: Logger, *, traced: bool = False
    ) -> None:
        """Prepare to send to `topic`; if `traced`, each record's header `traceparent` names its request's trace."""
        self._topic = topic
        self._traced = traced
        self._metrics = metrics
        metrics.delivery_failures.labels(topic)  # a counter that appears with its first count has no increase
        self._log = log
        # Given here once: a bound method for each record costs a sixth of sending it.
        self._producer, self._errors = new_producer(settings, log, on_delivery=self._note_failure)
        self._encoder = msgspec.json.Encoder()
        self._failed: Counter[str] = Counter()
        self._uncounted: Counter[str] = Counter()
        # Records of one answer follow each other and have the same headers.
        self._answer: tuple[type[Record] | None, str, str] = None, "", ""
        self._headers: list[tuple[str, str | bytes | None]] = []
        self.sent = 0

    def send(self, record: Record, request: str) -> None:
        """Hand a record to the client; waits while the client's queue is full.

        Raises:
            Unavailable: the client failed for good.
        """
        kind, fetch_id, asked = self._answer
        if record.fetch_id is not fetch_id or request is not asked or type(record) is not kind:
            self._answer = type(record), record.fetch_id, request
            self._headers = self._headers_of(record, request)
        value = self._encoder.encode(record)
        while True:
            try:
                self._producer.produce(self._topic, value, record.symbol, headers=self._headers)
                break
            except BufferError:
                self._errors.raise_if_fatal()
                self._producer.poll(0.1)
            except KafkaException as error:
                raise Unavailable(f"record can't be sent to {self._topic}: {error.args[0].str()}") from error
        self.sent += 1
        self._uncounted[record.source] += 1

    def _headers_of(self, record: Record, request: str) -> list[tuple[str, str | bytes | None]]:
        texts = {HEADER_SCHEMA: _SCHEMAS[type(record)], HEADER_FETCH_ID: record.fetch_id, HEADER_REQUEST: request}
        if self._traced:
            texts[TRACEPARENT] = traceparent(record.fetch_id)
        return [(name, text.encode()) for name, text in texts.items()]

    def poll(self) -> None:
        """Take in delivery reports and export what was sent; to be called once a round.

        Raises:
            Unavailable: the client failed for good, e.g. by a wrong password.
        """
        self._export()
        self._producer.poll(0)
        self._errors.raise_if_fatal()

    def flush(self) -> None:
        """Wait until every record is acknowledged or failed.

        Raises:
            PartialFailure: some records weren't delivered; the message says how many and why.
        """
        self._export()
        unknown = self._producer.flush(FLUSH_SECONDS)
        failed = sum(self._failed.values())
        if unknown or failed:
            reasons = ", ".join(f"{count} {reason}" for reason, count in self._failed.items())
            raise PartialFailure(
                f"{failed + unknown} of {self.sent} records weren't delivered to {self._topic} "
                f"({reasons or 'no answer from Kafka'}); run the same command again: readers count a record once"
            )

    def _export(self) -> None:
        """Add to the counters here, not record by record: that costs as much as sending."""
        for source, count in self._uncounted.items():
            self._metrics.records.labels(self._topic, source).inc(count)
        self._uncounted.clear()

    def _note_failure(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._failed[error.str()] += 1
            self._metrics.delivery_failures.labels(self._topic).inc()
            self._log.error("delivery_failed", topic=self._topic, key=str(message.key()), detail=error.str())

    def close(self) -> None:
        """Flush for the last time; raises like `flush`."""
        self.flush()
