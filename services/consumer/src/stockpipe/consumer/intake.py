"""Messages into buffers: decode, check, count."""

from collections.abc import Iterator

from confluent_kafka import Message

from stockpipe.common.contracts.decode import RecordDecoder, Rejected, schema_header
from stockpipe.common.contracts.topics import HEADER_REQUEST, TopicKind
from stockpipe.common.kafka import HeaderList, append_time_ms, header_list
from stockpipe.consumer.breaker import Breaker
from stockpipe.consumer.buffer import PartitionBuffer


class Intake:
    """Takes messages into their partition's buffer."""

    def __init__(self, kind: TopicKind, breaker: Breaker) -> None:
        self._decoder = RecordDecoder(kind)
        self._breaker = breaker

    def take(self, messages: Iterator[Message], buffer: PartitionBuffer, now: float) -> Message | None:
        """Add records to `buffer` up to one that isn't just the next: an error, or one beyond a gap; return that.

        Records that were taken before are ignored. `now` is monotonic. The consumer spends most of its time in this
        loop: what is called here for each record is what must be.
        """
        decode, breaker = self._decoder.decode, self._breaker
        records, offsets, fetches, schemas = buffer.records, buffer.offsets, buffer.fetches, buffer.schemas
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
                record = decode(value, schema, append_time_ms(message))
            except Rejected as error:
                buffer.rejected.append((message, error))
                breaker.reject()
            else:
                records.append(record)
                offsets.append(offset)
                schemas.add(schema or "")
                if record.fetch_id not in fetches:
                    fetches[record.fetch_id] = _request(headers)
                breaker.accept()
            buffer.bytes += len(value) if value else 0
        return None


def _request(headers: HeaderList) -> str:
    for name, value in headers:
        if name == HEADER_REQUEST and value is not None:
            return value.decode(errors="replace")
    return ""
