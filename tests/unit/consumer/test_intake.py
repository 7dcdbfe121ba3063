"""Messages taken together come to the same as each by itself."""

import gc
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import msgspec
from confluent_kafka import KafkaError, Message
from hypothesis import given, settings
from hypothesis import strategies as st

from stockpipe.common.contracts.decode import MAX_VALUE_BYTES
from stockpipe.consumer.breaker import Breaker
from stockpipe.consumer.buffer import ROWS, PartitionBuffer
from stockpipe.consumer.intake import Intake
from support.records import as_dict, bar, quote

APPENDED_MS = 1_795_444_200_500
"""2026-11-23T14:30:00.500Z"""

good = st.builds(
    quote,
    symbol=st.sampled_from(["AAPL", "MSFT"]),
    fetch_id=st.sampled_from(["fetch-1", "fetch-2"]),
    event_time=st.sampled_from(["2026-11-23T14:29:59.000Z", "2026-11-23T14:30:05.000Z"]),
).map(as_dict)
faults: dict[str, Any] = {
    "symbol": "aapl",
    "currency": "usd",
    "exchange": "xnys",
    "source": "Yahoo",
    "fetched_at": "2026-11-23T14:30:61.000Z",
    "fetch_id": "a b",
    "event_time": "2026-11-23 14:30:00.000Z",
    "price": -1.0,
    "volume": "many",
}
bad = st.tuples(good, st.sampled_from(sorted(faults))).map(lambda pair: pair[0] | {pair[1]: faults[pair[1]]})
late = good.map(lambda found: found | {"event_time": "2026-11-23T14:30:05.501Z"})
odd = late.map(msgspec.json.encode) | st.sampled_from([b"", b"{", b"[1]", b"\xff", None])
SCHEMA = ("schema", b"quote.v1")
HEADERS: list[Any] = [SCHEMA, ("fetch_id", b"x"), ("request", b"GET a")]
headers: st.SearchStrategy[Any] = st.sampled_from(
    [
        [SCHEMA, ("request", b"GET b")],
        [("request", b"GET a"), SCHEMA],
        [("schema", b"quote.v2"), SCHEMA],
        [("schema", b"\xff")],
        [],
        None,
    ]
)


@st.composite
def runs(draw: st.DrawFn) -> list[Message]:
    """Draw messages of one partition: good ones that follow each other, but for a few with an oddity each."""
    values: list[Any] = draw(st.lists(good.map(msgspec.json.encode), min_size=1, max_size=24))
    found: list[Any] = [HEADERS] * len(values)
    jumps = [1] * len(values)
    for place in draw(st.lists(st.integers(0, len(values) - 1), max_size=4)):
        match draw(st.sampled_from(["fault", "value", "headers", "jump"])):
            case "fault":
                values[place] = msgspec.json.encode(draw(bad))
            case "value":
                values[place] = draw(odd)
            case "headers":
                found[place] = draw(headers)
            case "jump":
                jumps[place] = draw(st.sampled_from([0, 2]))
    offsets = list(accumulate(jumps, initial=6))[1:]
    return [
        Message(topic="t", partition=0, offset=offset, value=value, headers=own, timestamp=(2, APPENDED_MS))
        for offset, value, own in zip(offsets, values, found, strict=True)
    ]


def singly(intake: Intake, messages: Sequence[Message], buffer: PartitionBuffer) -> None:
    rest = iter(messages)
    while (odd := intake.take(rest, buffer, 1.0)) is not None:
        buffer.advance(odd.offset() or 0, 1.0)


def told(buffer: PartitionBuffer) -> tuple[object, ...]:
    rejected = [(message.offset(), str(why)) for message, why in buffer.rejected]
    return buffer.table().to_pylist(), rejected, buffer.next, buffer.fetches, buffer.schemas, buffer.bytes


@settings(max_examples=300)
@given(runs(), st.integers(1, 24))
def test_taken_together_or_one_by_one_is_the_same(run: list[Message], size: int) -> None:
    breakers = Breaker(), Breaker()
    together, alone = PartitionBuffer("realtime", 0, 7), PartitionBuffer("realtime", 0, 7)
    for first in range(0, len(run), size):
        messages = run[first : first + size]
        intake = Intake("realtime", breakers[0])
        before = told(together)
        if not intake.take_together(messages, together, 1.0):
            assert told(together) == before
            singly(intake, messages, together)
        singly(Intake("realtime", breakers[1]), messages, alone)
    assert told(together) == told(alone)
    assert vars(breakers[0]) == vars(breakers[1])


def messages_of(records: Sequence[Any], schema: bytes) -> list[Message]:
    return [
        Message(
            topic="t",
            partition=0,
            offset=offset,
            value=msgspec.json.encode(record),
            headers=[("schema", schema), ("request", b"GET")],
            timestamp=(2, APPENDED_MS),
        )
        for offset, record in enumerate(records)
    ]


def test_good_messages_that_follow_each_other_are_taken_together() -> None:
    for record, kind, schema in ((quote(), "realtime", b"quote.v1"), (bar(), "batch", b"daily_bar.v1")):
        buffer = PartitionBuffer(kind, 0, 0)  # type: ignore[arg-type]  # a kind
        assert Intake(kind, Breaker()).take_together(messages_of([record] * 5, schema), buffer, 1.0)  # type: ignore[arg-type]
        assert (buffer.next, buffer.accepted, buffer.taken, buffer.skipped) == (5, 5, 5, 0)
        assert buffer.fetches == {record.fetch_id: "GET"}


def test_a_value_that_is_too_large_is_not_taken_with_others() -> None:
    large = msgspec.json.encode(quote()) + b" " * MAX_VALUE_BYTES
    message = Message(topic="t", partition=0, offset=0, value=large, headers=HEADERS, timestamp=(2, APPENDED_MS))
    assert not Intake("realtime", Breaker()).take_together([message], PartitionBuffer("realtime", 0, 0), 1.0)


def test_a_clients_report_among_messages_is_no_record() -> None:
    first, last = messages_of([quote()] * 2, b"quote.v1")
    report = Message(topic="t", partition=0, offset=1, value=b"the end", error=KafkaError(KafkaError._PARTITION_EOF))
    buffer = PartitionBuffer("realtime", 0, 0)
    assert not Intake("realtime", Breaker()).take_together([first, report], buffer, 1.0)
    assert Intake("realtime", Breaker()).take(iter([first, report, last]), buffer, 1.0) is report
    assert buffer.accepted == 1


def test_a_rejection_holds_nothing_but_its_message() -> None:
    gc.collect()
    before = len([found for found in gc.get_objects() if isinstance(found, Message)])
    buffer = PartitionBuffer("realtime", 0, 0)

    def poll() -> None:
        messages = messages_of([quote()] * 50 + [quote(price=-1.0)], b"quote.v1")
        assert Intake("realtime", Breaker()).take(iter(messages), buffer, 1.0) is None

    poll()
    assert (buffer.accepted, len(buffer.rejected)) == (50, 1)
    assert len([found for found in gc.get_objects() if isinstance(found, Message)]) == before + 1


def test_records_become_rows_before_the_flush() -> None:
    buffer = PartitionBuffer("realtime", 0, 0)
    assert Intake("realtime", Breaker()).take_together(messages_of([quote()] * ROWS, b"quote.v1"), buffer, 1.0)
    assert (buffer.rows, buffer.records, buffer.taken) == (ROWS, [], ROWS)
    assert buffer.table().column("kafka_offset").to_pylist() == list(range(ROWS))
    assert buffer.table().num_rows == ROWS
