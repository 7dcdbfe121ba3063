"""Rejected records into the dead-letter topic, acknowledged before anything is committed."""

from collections.abc import Sequence

from confluent_kafka import KafkaError, Message

from stockpipe.common.contracts.decode import Rejected
from stockpipe.common.contracts.dlq import error_headers
from stockpipe.common.contracts.topics import dlq_topic
from stockpipe.common.errors import Unavailable
from stockpipe.common.kafka import header_list, new_producer
from stockpipe.common.logs import Logger
from stockpipe.common.settings import KafkaSettings

DELIVERY_SECONDS = 60.0
# A record that just fitted the topic must fit the DLQ with its added headers.
_MAX_BYTES = 2 * 2**20


class DeadLetters:
    """Writes rejected records as they came: key, value, headers and timestamp, plus why and from where."""

    def __init__(self, settings: KafkaSettings, log: Logger, topic: str) -> None:
        self._topic = dlq_topic(topic)
        self._producer, self._errors = new_producer(
            settings,
            log,
            on_delivery=self._note_failure,
            **{"message.max.bytes": _MAX_BYTES, "delivery.timeout.ms": int(DELIVERY_SECONDS * 1000)},
        )
        self._failures: list[KafkaError] = []

    def send(self, rejected: Sequence[tuple[Message, Rejected]]) -> None:
        """Write the records and wait until all are acknowledged.

        Raises:
            Unavailable: a record wasn't acknowledged; some may have been, and will be there twice after a retry.
        """
        if not rejected:
            return
        self._failures.clear()
        for message, error in rejected:
            self._produce(message, error)
        unsent = self._producer.flush(DELIVERY_SECONDS)
        self._errors.raise_if_fatal()
        if unsent or self._failures:
            reason = self._failures[0].str() if self._failures else f"{unsent} records unacknowledged"
            self._producer.purge()
            self._producer.flush(0)
            raise Unavailable(f"DLQ {self._topic} doesn't take rejected records: {reason}")

    def _produce(self, message: Message, error: Rejected) -> None:
        origin = error_headers(str(message.topic()), int(message.partition() or 0), int(message.offset() or 0), error)
        headers: list[tuple[str, str | bytes | None]] = [*header_list(message), *origin]
        while True:
            try:
                self._producer.produce(
                    self._topic,
                    key=message.key(),
                    value=message.value(),
                    headers=headers,
                    timestamp=message.timestamp()[1],
                )
                return
            except BufferError:
                self._producer.poll(0.1)

    def _note_failure(self, error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            self._failures.append(error)
