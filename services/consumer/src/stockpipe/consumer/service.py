"""The consumer's loop: read, flush what is due, commit, and keep the group's membership alive while waiting."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, groupby
from typing import get_args

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from stockpipe.common.clock import Clock
from stockpipe.common.contracts.decode import Reason
from stockpipe.common.errors import DataRefused, PipelineError, Unavailable
from stockpipe.common.kafka import ClientErrors, committed_offsets, end_offsets
from stockpipe.common.lake.store import ObjectStore
from stockpipe.common.logs import Logger
from stockpipe.common.metrics import ConsumerMetrics
from stockpipe.consumer.breaker import Breaker
from stockpipe.consumer.buffer import PartitionBuffer
from stockpipe.consumer.flush import Flusher
from stockpipe.consumer.intake import Intake
from stockpipe.consumer.settings import ConsumerSettings
from stockpipe.consumer.starts import start_offset
from stockpipe.consumer.writer import Writer, Written

POLL_MESSAGES = 1000
POLL_SECONDS = 0.1
TOGETHER = 200
"""How many messages are taken together; a single one that is odd costs these the quicker way."""
MOST_FLUSHES = 2
"""The buffers of all partitions together hold at most this many times FLUSH_RECORDS; the fullest is flushed then."""
RETRY_SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0)
"""Waits between tries while the store or the DLQ is down; the last one repeats."""
OTHERS_SECONDS = 1.0
"""How often a draining member asks for the progress of partitions that other members own."""
LAG_SECONDS = 1.0
"""How often the lag is exported."""
STOP_SECONDS = 20.0
"""How long the last flush may take after SIGTERM."""


@dataclass
class Summary:
    """What a run did; printed as JSON in the end."""

    topic: str
    records: int = 0
    rejected: int = 0
    skipped: int = 0
    objects: int = 0
    manifests: int = 0
    adopted: int = 0


class ConsumerService:
    """Lands one topic until told to stop, or, draining, until the end offsets seen at the start are committed."""

    def __init__(
        self,
        settings: ConsumerSettings,
        consumer: Consumer,
        errors: ClientErrors,
        reader: Consumer,
        flusher: Flusher,
        store: ObjectStore,
        clock: Clock,
        metrics: ConsumerMetrics,
        log: Logger,
        partitions: int,
    ) -> None:
        self._settings = settings
        self._topic = settings.topic(settings.topic_kind)
        self._consumer = consumer
        self._errors = errors
        self._reader = reader
        self._writer = Writer(flusher, clock)
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._log = log
        self._partitions = partitions
        self._breaker = Breaker()
        self._intake = Intake(settings.topic_kind, self._breaker)
        self._buffers: dict[int, PartitionBuffer] = {}
        self._uncommitted: dict[int, int] = {}
        self._verified_gaps: dict[int, int] = {}
        self._failures = 0
        self._retry_at = 0.0
        self._ask_others_at = 0.0
        self._lag_at = 0.0
        self._callback_error: Exception | None = None
        self._stop = threading.Event()
        self.summary = Summary(self._topic)
        # A counter that appears with its first count has no increase.
        for counter in (metrics.store_failures, metrics.commit_failures):
            counter.labels(self._topic)
        for reason in get_args(Reason):
            metrics.rejected.labels(self._topic, reason)
        metrics.breaker_open.labels(self._topic).set(0)

    def run(self, stop: threading.Event) -> Summary:
        """Consume until `stop` is set, or to the end when draining.

        Raises:
            DataRefused: the breaker tripped, or offsets are lost; what was read is flushed and committed.
            Unavailable: Kafka refuses the client, or the last flush didn't succeed in time.
        """
        self._stop = stop
        targets = end_offsets(self._reader, self._topic, range(self._partitions)) if self._settings.drain else {}
        self._consumer.subscribe(
            [self._topic], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )
        try:
            while not (stop.is_set() or self._breaker.tripped or (targets and self._is_drained(targets))):
                self._step(targets)
            self._finish()
        finally:
            self._writer.close()
            self._buffers.clear()
            self._consumer.close()
            self._reader.close()
        if self._breaker.tripped:
            self._metrics.breaker_open.labels(self._topic).set(1)
            raise DataRefused(
                f"most of the last records of {self._topic} break their contract; stopped before the rest went to the "
                "DLQ. Look at the reasons there, mend the producer, then start again"
            )
        return self.summary

    # One turn

    def _step(self, targets: dict[int, tuple[int, int]]) -> None:
        messages = self._consumer.consume(max(1, self._expected(targets)), POLL_SECONDS)
        if self._callback_error is not None:
            raise self._callback_error
        self._errors.raise_if_fatal()
        now = self._clock.monotonic()
        rewound: set[int] = set()
        for partition, run in groupby(messages, Message.partition):
            self._receive(partition or 0, list(run), now, rewound)
        if now >= self._lag_at:
            self._lag_at = now + LAG_SECONDS
            self._export_lag()
        if self._failures and now < self._retry_at:
            return
        # What a drain has read to its end is written when the writer is free; only a full or old buffer is waited for.
        idle = not self._expected(targets)
        if not (idle or self._due(now, {})) and self._writer.is_running(self._settings.flush_after_seconds):
            return
        if self._settle() and (due := self._due(now, targets)):
            self._hand_over(due)

    def _expected(self, targets: dict[int, tuple[int, int]]) -> int:
        """Return how many messages to ask for: asked for more than there are, the client waits the whole time."""
        if not targets:
            return POLL_MESSAGES
        left = (targets[buffer.partition][1] - buffer.next for buffer in self._buffers.values())
        return min(POLL_MESSAGES, sum(max(0, each) for each in left))

    def _due(self, now: float, targets: dict[int, tuple[int, int]]) -> list[PartitionBuffer]:
        settings = self._settings
        due = [
            buffer
            for buffer in self._buffers.values()
            if buffer.is_due(now, settings.flush_records, settings.flush_bytes, settings.flush_after_seconds)
            or (targets and buffer.opened_at is not None and buffer.next >= targets[buffer.partition][1])
        ]
        if not due and sum(buffer.taken for buffer in self._buffers.values()) >= MOST_FLUSHES * settings.flush_records:
            due = [max(self._buffers.values(), key=lambda buffer: buffer.taken)]
        return due

    def _open(self) -> list[PartitionBuffer]:
        return [buffer for buffer in self._buffers.values() if buffer.opened_at is not None]

    def _export_lag(self) -> None:
        """Ask librdkafka for the ends that its last fetches told; a paused partition's gets old, `watch` asks Kafka."""
        lag = 0
        starts = {
            buffer.partition: buffer.start for buffer in [*self._buffers.values(), *reversed(self._writer.unwritten)]
        }
        for partition, start in starts.items():
            _low, end = self._consumer.get_watermark_offsets(TopicPartition(self._topic, partition), cached=True)
            lag += max(0, end - start)
        self._metrics.lag.labels(self._topic).set(lag)

    def _receive(self, partition: int, messages: list[Message], now: float, rewound: set[int]) -> None:
        """Take a partition's messages, some dozens together where all are good and follow each other."""
        for first in range(0, len(messages), TOGETHER):
            some = messages[first : first + TOGETHER]
            buffer = None if partition in rewound else self._buffers.get(partition)
            if buffer is None or not self._intake.take_together(some, buffer, now):
                self._receive_singly(partition, iter(some), now, rewound)

    def _receive_singly(self, partition: int, messages: Iterator[Message], now: float, rewound: set[int]) -> None:
        """Take a partition's messages; one that isn't just the next record is looked at by itself."""
        while True:
            buffer = None if partition in rewound else self._buffers.get(partition)
            odd = self._intake.take(messages, buffer, now) if buffer else next(messages, None)
            if odd is None:
                return
            offset, error = odd.offset() or 0, odd.error()
            if error is not None and error.code() != KafkaError._PARTITION_EOF:
                self._handle_error(error, partition)
            elif buffer is None:
                continue
            elif offset > buffer.next and self._verified_gaps.get(partition) != buffer.next:
                # A gap counts as "never delivered" only if reading it again finds nothing there either.
                self._verified_gaps[partition] = buffer.next
                self._consumer.seek(TopicPartition(self._topic, partition, buffer.next))
                rewound.add(partition)
            else:
                buffer.advance(offset, now)
                if error is None:
                    messages = chain((odd,), messages)

    def _handle_error(self, error: KafkaError, partition: int) -> None:
        if error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
            raise DataRefused(
                f"Kafka no longer has the next offset of {self._topic} partition {partition}: {error.str()}. "
                "Start again: the start names the lost range"
            )
        if error.fatal():
            raise Unavailable(f"Kafka consumer failed for good: {error.str()}")
        self._log.warning("consume_error", partition=partition, code=error.name(), detail=error.str())

    def _hand_over(self, buffers: list[PartitionBuffer]) -> None:
        """Let the writer begin with these buffers, and read on after them."""
        for buffer in buffers:
            self._buffers[buffer.partition] = PartitionBuffer(buffer.kind, buffer.partition, buffer.next)
        self._writer.start(buffers)

    def _settle(self) -> bool:
        """Wait until what was handed over is durable and commit it; if that fails, stop reading and return False."""
        try:
            self._collect()
            self._commit()
        except Unavailable as error:
            self._metrics.store_failures.labels(self._topic).inc()
            wait = RETRY_SECONDS[min(self._failures, len(RETRY_SECONDS) - 1)]
            self._log.warning("flush_put_off", detail=str(error), retry_seconds=wait)
            if not self._failures:
                self._consumer.pause(self._consumer.assignment())
            self._failures += 1
            self._retry_at = self._clock.monotonic() + wait
            return False
        if self._failures:
            self._failures = 0
            self._consumer.resume(self._consumer.assignment())
            self._log.info("flush_recovered")
        return True

    def _collect(self) -> None:
        """Wait for the writer and note what became durable.

        Raises:
            Unavailable: a buffer couldn't be written; the writer keeps it.
        """
        written, failure = self._writer.finish()
        shorter = [each for each in written if each.manifest.end != each.buffer.next]
        for each in written:
            self._note(each)
        for each in shorter:
            if each.buffer.partition in self._buffers:
                self._consumer.seek(TopicPartition(self._topic, each.buffer.partition, each.manifest.end))
        if failure is not None:
            raise failure

    def _note(self, written: Written) -> None:
        buffer, manifest = written.buffer, written.manifest
        if buffer.partition in self._buffers:
            self._uncommitted[buffer.partition] = manifest.end
            if manifest.end != buffer.next:  # what was read since doesn't follow it
                self._buffers[buffer.partition] = PartitionBuffer(buffer.kind, buffer.partition, manifest.end)
        labels, summary, metrics = self._topic, self.summary, self._metrics
        metrics.flush_seconds.labels(labels).observe(written.seconds)
        if written.ours:
            summary.manifests += 1
            summary.records += manifest.records
            summary.rejected += manifest.rejected
            summary.skipped += manifest.skipped
            summary.objects += len(manifest.objects)
            metrics.records.labels(labels).inc(manifest.records)
            metrics.skipped.labels(labels).inc(manifest.skipped)
            metrics.objects.labels(labels).inc(len(manifest.objects))
            for _message, rejection in buffer.rejected:
                metrics.rejected.labels(labels, rejection.reason).inc()
        else:
            summary.adopted += 1
            metrics.adopted.labels(labels).inc()
        self._log.info(
            "flushed" if written.ours else "manifest_adopted",
            topic=self._topic,
            partition=manifest.partition,
            start=manifest.start,
            end=manifest.end,
            records=manifest.records,
            rejected=manifest.rejected,
            objects=len(manifest.objects),
        )

    def _commit(self) -> None:
        if not self._uncommitted:
            return
        offsets = [TopicPartition(self._topic, partition, end) for partition, end in self._uncommitted.items()]
        try:
            answers = self._consumer.commit(offsets=offsets, asynchronous=False) or []
            refused = next((answer.error for answer in answers if answer.error), None)
        except KafkaException as error:
            refused = error.args[0]
        if refused is not None:
            self._metrics.commit_failures.labels(self._topic).inc()
            raise Unavailable(f"offsets of {self._topic} can't be committed: {refused.str()}")
        self._uncommitted.clear()

    # The end

    def _is_drained(self, targets: dict[int, tuple[int, int]]) -> bool:
        if self._uncommitted or self._writer.unwritten or self._open():
            return False
        mine = {partition: buffer.start for partition, buffer in self._buffers.items()}
        behind = [partition for partition, (low, end) in targets.items() if mine.get(partition, low) < end]
        others = [partition for partition in behind if partition not in mine]
        if len(others) < len(behind):
            return False
        if not others:
            return True
        now = self._clock.monotonic()
        if now < self._ask_others_at:
            return False
        self._ask_others_at = now + OTHERS_SECONDS
        try:
            found = committed_offsets(self._reader, self._topic, others)
        except Unavailable as error:
            self._log.warning("progress_of_others_unknown", detail=str(error))
            return False
        return all((found[partition] or 0) >= targets[partition][1] for partition in others)

    def _finish(self) -> None:
        deadline = self._clock.monotonic() + STOP_SECONDS
        while True:
            if self._settle():
                if not (rest := self._open()):
                    return
                self._hand_over(rest)
            else:
                if self._clock.monotonic() + POLL_SECONDS > deadline:
                    raise Unavailable(
                        "the last flush didn't succeed in time; nothing is lost: its records are read again next time"
                    )
                self._consumer.consume(1, POLL_SECONDS)

    # Rebalancing; librdkafka calls these from within consume() and close()

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        try:
            for entry in partitions:
                entry.offset = self._start(entry.partition)
                self._buffers[entry.partition] = PartitionBuffer(
                    self._settings.topic_kind, entry.partition, entry.offset
                )
        except Exception as error:
            self._callback_error = error
            return
        consumer.incremental_assign(partitions)
        if self._failures:
            consumer.pause(partitions)
        if partitions:
            starts = {entry.partition: entry.offset for entry in partitions}
            self._log.info("assigned", topic=self._topic, starts=starts)

    def _start(self, partition: int) -> int:
        waits = iter(RETRY_SECONDS)
        while True:
            try:
                start, uncommitted = start_offset(self._reader, self._store, self._topic, partition)
            except Unavailable as error:
                wait = next(waits, None)
                if wait is None or self._clock.wait(wait, self._stop):
                    raise
                self._log.warning("start_put_off", partition=partition, detail=str(error))
            else:
                if uncommitted:
                    self._uncommitted[partition] = start
                return start

    def _on_revoke(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        leaving = {entry.partition for entry in partitions}
        try:
            self._collect()
            self._hand_over([buffer for buffer in self._open() if buffer.partition in leaving])
            self._collect()
            self._commit()
        except (PipelineError, KafkaException) as error:
            self._log.warning("revoked_unflushed", detail=str(error))
        self._forget(leaving)
        self._log.info("revoked", topic=self._topic, partitions=[entry.partition for entry in partitions])

    def _on_lost(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        lost = {entry.partition for entry in partitions}
        for partition in lost:
            self._buffers.pop(partition, None)
        try:
            self._collect()
        except Unavailable as error:
            self._log.warning("lost_unflushed", detail=str(error))
        self._forget(lost)
        self._log.warning("lost", topic=self._topic, partitions=[entry.partition for entry in partitions])

    def _forget(self, partitions: set[int]) -> None:
        self._writer.drop(partitions)
        for partition in partitions:
            self._buffers.pop(partition, None)
            self._uncommitted.pop(partition, None)
