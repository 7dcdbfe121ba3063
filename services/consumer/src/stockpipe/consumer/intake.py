"""Messages into buffers: decode, check, count."""

from collections.abc import Iterator, Sequence
from operator import attrgetter

from confluent_kafka import Message

from stockpipe.common.contracts.decode import RecordDecoder, Rejected, common_schema, schema_header
from stockpipe.common.contracts.topics import HEADER_REQUEST, TopicKind
from stockpipe.common.kafka import HeaderList, append_time_ms, append_times_ms, header_list, header_lists
from stockpipe.consumer.breaker import Breaker
from stockpipe.consumer.buffer import PartitionBuffer

_FETCH_ID = attrgetter("fetch_id")


class Intake:
    """Takes messages into their partition's buffer."""

    def __init__(self, kind: TopicKind, breaker: Breaker) -> None:
        self._decoder = RecordDecoder(kind)
        self._breaker = breaker

    def take_together(self, messages: Sequence[Message], buffer: PartitionBuffer, now: float) -> bool:
        """Add good records that follow each other to `buffer`; return False, with nothing added, if they aren't that.

        The consumer spends most of its time here: each step goes over all messages without Python code for each.
        `now` is monotonic.
        """
        offsets: list[int] = list(map(Message.offset, messages))  # type: ignore[arg-type]  # as read each has one
        end = buffer.next + len(offsets)
        if offsets != list(range(buffer.next, end)):
            return False
        headers = header_lists(messages)  # an error has none, and so no schema
        schema = common_schema(headers)
        values = [value for message in messages if (value := message.value())]
        if schema is None or len(values) < len(messages):
            return False
        records = self._decoder.decode_together(values, schema, append_times_ms(messages))
        if records is None:
            return False
        if not set(map(_FETCH_ID, records)) <= buffer.fetches.keys():
            for record, found in zip(records, headers, strict=True):
                if record.fetch_id not in buffer.fetches:
                    buffer.fetches[record.fetch_id] = _request(found)
        buffer.advance(end, now)
        buffer.records += records
        buffer.offsets += offsets
        buffer.schemas.add(schema)
        buffer.bytes += sum(map(len, values))
        buffer.settle()
        self._breaker.accept(len(records))
        return True

    def take(self, messages: Iterator[Message], buffer: PartitionBuffer, now: float) -> Message | None:
        """Add records to `buffer` up to one that isn't just the next: an error, or one beyond a gap; return that.

        Records that were taken before are ignored. `now` is monotonic.
        """
        for message in messages:
            offset = message.offset() or 0
            if offset != buffer.next or message.error() is not None:
                if offset < buffer.next and message.error() is None:
                    continue
                return message
            buffer.advance(offset + 1, now)
            value = message.value()
            headers = header_list(message)
            schema = schema_header(headers)
            try:
                record = self._decoder.decode(value, schema, append_time_ms(message))
            except Rejected as error:
                # not the one that was raised: its traceback would keep every message of the poll
                buffer.rejected.append((message, Rejected(error.reason, error.detail)))
                self._breaker.reject()
            else:
                buffer.records.append(record)
                buffer.offsets.append(offset)
                buffer.schemas.add(schema or "")
                if record.fetch_id not in buffer.fetches:
                    buffer.fetches[record.fetch_id] = _request(headers)
                self._breaker.accept()
            buffer.bytes += len(value) if value else 0
        return None


def _request(headers: HeaderList) -> str:
    for name, value in headers:
        if name == HEADER_REQUEST and value is not None:
            return value.decode(errors="replace")
    return ""
