"""Kafka clients with the defaults that this pipeline was measured with."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)

from stockpipe.common.errors import ConfigError, Unavailable
from stockpipe.common.logs import Logger
from stockpipe.common.settings import KafkaSettings

METADATA_TIMEOUT_SECONDS = 10.0
_LEADERLESS = {KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE}
_LEADERLESS_WAITS = (0.1, 0.2, 0.5, 1.0, 2.0)
"""Seconds between tries while a partition has no leader: just after its topic was made, or its broker went."""

_CONSUMER: dict[str, Any] = {
    "enable.auto.commit": False,
    "auto.offset.reset": "error",
    "enable.partition.eof": True,
    "isolation.level": "read_committed",
    # how long fetching stops once the queue is full; the default of 1000 ms costs two thirds of the rate
    "fetch.queue.backoff.ms": 20,
    "fetch.wait.max.ms": 100,
    # what waits in the client is most of a consumer's memory: each fetched partition brings up to so much, compressed
    "fetch.message.max.bytes": 524_288,
    "queued.max.messages.kbytes": 16_384,
}
_PRODUCER: dict[str, Any] = {
    "enable.idempotence": True,
    "acks": "all",
    "compression.type": "lz4",
    "linger.ms": 20,
    # agrees with Java clients on the partition of a key
    "partitioner": "murmur2_random",
    "delivery.report.only.error": True,
}


_LOG_EVERY = 100


class ClientErrors:
    """Collects what librdkafka reports aside: it never raises a wrong password, for one.

    While a broker is down the same report comes many times a second: the first of a kind is logged, then each 100th.
    """

    def __init__(self, log: Logger) -> None:
        self._log = log
        self._fatal: KafkaError | None = None
        self._seen: Counter[int] = Counter()

    def __call__(self, error: KafkaError) -> None:
        """Take one report; this is the client's `error_cb`."""
        if error.fatal() or error.code() in (KafkaError._AUTHENTICATION, KafkaError._SSL):
            self._fatal = error
        if self._seen[error.code()] % _LOG_EVERY == 0:
            count = self._seen[error.code()] + 1
            self._log.warning("kafka_client_error", code=error.name(), detail=error.str(), count=count)
        self._seen[error.code()] += 1

    def raise_if_fatal(self) -> None:
        """Raise what can't heal by waiting.

        Raises:
            Unavailable: authentication, TLS or the client itself failed for good.
        """
        if self._fatal is not None:
            raise Unavailable(
                f"Kafka: {self._fatal.str()}; check KAFKA_SASL_*, KAFKA_SSL_CA_LOCATION and the user's ACLs"
            )


def new_producer(settings: KafkaSettings, log: Logger, **overrides: Any) -> tuple[Producer, ClientErrors]:
    """Return an idempotent producer and the errors it reports aside."""
    errors = ClientErrors(log)
    return Producer({**settings.kafka_client_config(), **_PRODUCER, **overrides, "error_cb": errors}), errors


def new_consumer(settings: KafkaSettings, log: Logger, group: str, **overrides: Any) -> tuple[Consumer, ClientErrors]:
    """Return a consumer that commits only when told, and the errors it reports aside."""
    errors = ClientErrors(log)
    config = {
        **settings.kafka_client_config(),
        **_CONSUMER,
        **overrides,
        "group.id": group,
        "error_cb": errors,
    }
    return Consumer(config), errors


def require_topics(client: Consumer | Producer, settings: KafkaSettings, *topics: str) -> dict[str, int]:
    """Return each topic's number of partitions.

    Raises:
        Unavailable: no broker answers within ten seconds.
        ConfigError: a topic doesn't exist or may not be seen.
    """
    try:
        metadata = client.list_topics(timeout=METADATA_TIMEOUT_SECONDS)
    except KafkaException as error:
        raise Unavailable(
            f"no Kafka broker answers at {settings.kafka_bootstrap_server} within {METADATA_TIMEOUT_SECONDS:.0f} s "
            f"({error.args[0].name()}); check KAFKA_BOOTSTRAP_SERVER and that the broker runs"
        ) from error
    missing = [topic for topic in topics if topic not in metadata.topics or metadata.topics[topic].error]
    if missing:
        raise ConfigError(
            f"topic {', '.join(missing)} doesn't exist at {settings.kafka_bootstrap_server}; create it first"
        )
    return {topic: len(metadata.topics[topic].partitions) for topic in topics}


def end_offsets(consumer: Consumer, topic: str, partitions: Iterable[int]) -> dict[int, tuple[int, int]]:
    """Return each partition's first kept offset and the offset after its last record.

    Raises:
        Unavailable: the broker doesn't answer.
    """
    return {partition: _ends(consumer, TopicPartition(topic, partition)) for partition in partitions}


def _ends(consumer: Consumer, place: TopicPartition) -> tuple[int, int]:
    waits = iter(_LEADERLESS_WAITS)
    while True:
        try:
            ends: tuple[int, int] = consumer.get_watermark_offsets(place, timeout=METADATA_TIMEOUT_SECONDS)
            return ends
        except KafkaException as error:
            wait = next(waits, None) if error.args[0].code() in _LEADERLESS else None
            if wait is None:
                raise Unavailable(f"Kafka doesn't tell the offsets of {place.topic}: {error.args[0].str()}") from error
            time.sleep(wait)


READ_SECONDS = 30.0
_POLL_SECONDS = 0.1


def read_to_end(consumer: Consumer, topic: str, ends: Mapping[int, tuple[int, int]]) -> Iterator[Message]:
    """Yield the topic's records between the offsets that `end_offsets` returned, without being a group's member.

    Raises:
        Unavailable: nothing came for 30 seconds.
    """
    unread = {partition for partition, (low, high) in ends.items() if low < high}
    consumer.assign([TopicPartition(topic, partition, ends[partition][0]) for partition in unread])
    silent_polls = 0
    while unread:
        # Waits for all of 1000 messages or the whole time, so the time must be short.
        messages = consumer.consume(1000, _POLL_SECONDS)
        silent_polls = 0 if messages else silent_polls + 1
        if silent_polls * _POLL_SECONDS >= READ_SECONDS:
            raise Unavailable(f"{topic} can't be read to its end within {READ_SECONDS:.0f} s")
        for message in messages:
            partition, position = int(message.partition() or 0), int(message.offset() or 0)
            if message.error() is None and position < ends[partition][1]:
                yield message
                position += 1
            if position >= ends[partition][1]:
                unread.discard(partition)


def group_reader(settings: KafkaSettings, group: str) -> Consumer:
    """Return a client that can ask for a group's offsets without being its member.

    A member can't ask while its group rebalances. The admin client can't either: `list_consumer_group_offsets` of
    confluent-kafka 2.16.1 ends the process (SIGSEGV) where the coordinator isn't there yet, as on a new broker.
    """
    return Consumer({**settings.kafka_client_config(), **_CONSUMER, "group.id": group})


def committed_offsets(reader: Consumer, topic: str, partitions: Iterable[int]) -> dict[int, int | None]:
    """Return the group's committed offset of each partition, None where it has none.

    Args:
        reader: made by `group_reader`.
        topic: name of the topic.
        partitions: which ones to ask for.

    Raises:
        Unavailable: the group's coordinator doesn't answer.
    """
    wanted = [TopicPartition(topic, partition) for partition in partitions]
    try:
        found = reader.committed(wanted, timeout=METADATA_TIMEOUT_SECONDS)
    except KafkaException as error:
        raise Unavailable(f"Kafka doesn't tell the committed offsets of {topic}: {error.args[0].str()}") from error
    return {entry.partition: entry.offset if entry.offset >= 0 else None for entry in found}


HeaderList = list[tuple[str, bytes | None]]


def header_list(message: Message) -> HeaderList:
    """Return the record's headers, none where it has none."""
    headers: HeaderList = message.headers() or []  # type: ignore[assignment]  # as read they are a list
    return headers


def header_lists(messages: Iterable[Message]) -> list[HeaderList]:
    """Return each record's headers, in less time than `header_list` for each."""
    found: list[HeaderList] = [message.headers() or [] for message in messages]  # type: ignore[misc]  # see above
    return found


def append_time_ms(message: Message) -> int:
    """Return the record's Kafka timestamp in milliseconds since the epoch."""
    millis: int = message.timestamp()[1]
    return millis


def append_times_ms(messages: Iterable[Message]) -> list[int]:
    """Return each record's Kafka timestamp, in less time than `append_time_ms` for each."""
    return [message.timestamp()[1] for message in messages]
