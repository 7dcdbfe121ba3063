"""`stockpipe-consumer redrive`: dead letters that are good by now go back to their topic; docs/redrive.md."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from confluent_kafka import Consumer, Message

from stockpipe.common.clock import Clock
from stockpipe.common.contracts import dlq
from stockpipe.common.contracts.decode import RecordDecoder, Rejected, schema_header
from stockpipe.common.contracts.dlq import DeadLetter
from stockpipe.common.contracts.topics import dlq_topic
from stockpipe.common.kafka import end_offsets, header_list, read_to_end
from stockpipe.consumer.accounts import Accounts
from stockpipe.consumer.once import OnceProducer
from stockpipe.consumer.settings import RedriveSettings

TRANSACTION_RECORDS = 1000

Stays = Literal["already_sent", "duplicates", "not_selected", "exhausted", "uncommitted", "landed"]


@dataclass
class RedriveSummary:
    """What became of every record of the DLQ; printed as JSON in the end. `read` is the sum of all others.

    `sent` counts by the reason for which the records had been refused, `still_bad` by the one that holds now.
    """

    topic: str
    dry_run: bool
    read: int = 0
    sent: Counter[str] = field(default_factory=Counter)
    still_bad: Counter[str] = field(default_factory=Counter)
    already_sent: int = 0
    duplicates: int = 0
    not_selected: int = 0
    exhausted: int = 0
    uncommitted: int = 0
    landed: int = 0
    foreign: int = 0


class Redrive:
    """One pass over the DLQ of one topic."""

    def __init__(
        self,
        settings: RedriveSettings,
        reader: Consumer,
        producer: OnceProducer | None,
        accounts: Accounts,
        clock: Clock,
        partitions: int,
    ) -> None:
        """Take the parts; without a `producer` it's a dry run. An older producer's transactions are decided by now."""
        self._settings = settings
        self._topic = settings.topic(settings.topic_kind)
        self._reader = reader
        self._producer = producer
        self._accounts = accounts
        self._clock = clock
        self._partitions = partitions
        self._decoder = RecordDecoder(settings.topic_kind)
        self._marked: set[str] = set()
        self._seen: set[str] = set()
        self.summary = RedriveSummary(self._topic, dry_run=producer is None)

    def run(self) -> RedriveSummary:
        """Send what can be sent.

        Raises:
            Unavailable: Kafka or the store can't be reached, or another redrive took over.
        """
        source = dlq_topic(self._topic)
        ends = end_offsets(self._reader, source, range(self._partitions))
        for message in read_to_end(self._reader, source, ends):
            if origin := dlq.sent_origin(header_list(message)):
                self._marked.add(origin)
        good: list[tuple[Message, DeadLetter]] = []
        for message in read_to_end(self._reader, source, ends):
            if letter := self._good_letter(message):
                good.append((message, letter))
            if len(good) == TRANSACTION_RECORDS:
                self._send(good)
                good = []
        self._send(good)
        return self.summary

    def _good_letter(self, message: Message) -> DeadLetter | None:
        headers = header_list(message)
        if dlq.sent_origin(headers):
            return None
        summary = self.summary
        summary.read += 1
        letter = dlq.dead_letter(headers)
        if letter is None or letter.topic != self._topic:
            summary.foreign += 1
            return None
        stays = self._stays(letter)
        self._seen.add(letter.origin)
        if stays:
            setattr(summary, stays, getattr(summary, stays) + 1)
            return None
        try:
            now_ms = round(self._clock.now().timestamp() * 1000)
            self._decoder.decode(message.value(), schema_header(letter.headers), now_ms)
        except Rejected as error:
            summary.still_bad[error.reason] += 1
            return None
        return letter

    def _stays(self, letter: DeadLetter) -> Stays | None:
        """Return why the letter stays, whatever its value is; None if it doesn't."""
        settings = self._settings
        if letter.origin in self._marked:
            return "already_sent"
        if letter.origin in self._seen:
            return "duplicates"
        if settings.reason and letter.reason not in settings.reason:
            return "not_selected"
        if letter.attempts >= settings.max_attempts:
            return "exhausted"
        match self._accounts.fate(letter.partition, letter.offset):
            case "open":
                return "uncommitted"
            case "landed":
                return "landed"
            case "refused":
                return None

    def _send(self, good: list[tuple[Message, DeadLetter]]) -> None:
        if good and self._producer:
            self._producer.send(good)
        self.summary.sent.update(letter.reason for _message, letter in good)
