"""Dead letters back into their topic, by transactions: each once, whatever dies."""

from collections.abc import Callable, Sequence
from contextlib import suppress

from confluent_kafka import KafkaError, KafkaException, Message

from stockpipe.common.contracts import dlq
from stockpipe.common.contracts.dlq import DeadLetter
from stockpipe.common.contracts.topics import dlq_topic
from stockpipe.common.errors import Unavailable
from stockpipe.common.kafka import new_producer
from stockpipe.common.logs import Logger
from stockpipe.common.settings import KafkaSettings

TRANSACTION_SECONDS = 30.0
"""How long readers of the topic wait at most for a transaction whose producer died."""
_Headers = list[tuple[str, str | bytes | None]]
_FENCED = (KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH)


class OnceProducer:
    """The only producer of its topic's redrives: a newer one fences it, and its open transaction is aborted."""

    def __init__(self, settings: KafkaSettings, log: Logger, topic: str) -> None:
        """Fence older ones and wait until their transactions are decided.

        Raises:
            Unavailable: Kafka doesn't answer, or refuses the transactional id.
        """
        self._topic = topic
        self._producer, self._errors = new_producer(
            settings,
            log,
            **{
                "transactional.id": f"stockpipe-redrive-{topic}",
                "transaction.timeout.ms": int(TRANSACTION_SECONDS * 1000),
            },
        )
        self._call(lambda: self._producer.init_transactions(TRANSACTION_SECONDS))

    def send(self, letters: Sequence[tuple[Message, DeadLetter]]) -> None:
        """Send the records back and mark them as sent in the DLQ, all or none.

        Raises:
            Unavailable: Kafka doesn't answer, or another redrive of the topic began; none was sent, or all of them
                were just before the answer got lost: the marks tell the next run.
        """
        self._call(lambda: self._transaction(letters))

    def _transaction(self, letters: Sequence[tuple[Message, DeadLetter]]) -> None:
        self._producer.begin_transaction()
        try:
            for message, letter in letters:
                self._produce(message, letter)
            self._commit()
        except BaseException:
            with suppress(KafkaException):
                self._producer.abort_transaction(TRANSACTION_SECONDS)
            raise

    def _produce(self, message: Message, letter: DeadLetter) -> None:
        kept = [(name, value) for name, value in letter.headers if name not in (dlq.ATTEMPT, dlq.ORIGIN)]
        attempt = str(letter.attempts + 1).encode()
        headers: _Headers = [*kept, (dlq.ATTEMPT, attempt), (dlq.ORIGIN, letter.origin.encode())]
        mark: _Headers = [(dlq.SENT, letter.origin.encode())]
        self._queue(lambda: self._producer.produce(self._topic, message.value(), message.key(), headers=headers))
        # Beside its letter, so that retention never deletes the mark first.
        partition = int(message.partition() or 0)
        self._queue(lambda: self._producer.produce(dlq_topic(self._topic), partition=partition, headers=mark))

    def _queue(self, produce: Callable[[], None]) -> None:
        while True:
            try:
                produce()
                return
            except BufferError:
                self._producer.poll(0.1)

    def _commit(self) -> None:
        self._producer.commit_transaction(TRANSACTION_SECONDS)

    def _call(self, action: Callable[[], None]) -> None:
        try:
            action()
        except KafkaException as failure:
            error: KafkaError = failure.args[0]
            if error.code() in _FENCED:
                raise Unavailable(
                    f"another redrive of {self._topic} began and took over; this one's open transaction sent nothing"
                ) from failure
            self._errors.raise_if_fatal()
            raise Unavailable(
                f"redrive of {self._topic}: Kafka's transaction failed: {error.str()}; run it again"
            ) from failure
