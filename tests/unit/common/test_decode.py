import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockpipe.common.contracts import dlq
from stockpipe.common.contracts.decode import MAX_VALUE_BYTES, RecordDecoder, Rejected, schema_header
from stockpipe.common.contracts.topics import TopicKind
from stockpipe.common.times import from_text
from support.records import as_dict, bar, quote

APPENDED = "2026-11-23T14:30:01.500Z"
APPENDED_MS = round(from_text(APPENDED).timestamp() * 1000)
SCHEMAS: dict[TopicKind, str] = {"realtime": "quote.v1", "batch": "daily_bar.v1"}


def decode(kind: TopicKind, value: bytes | None, schema: str | None = "") -> Any:
    return RecordDecoder(kind).decode(value, SCHEMAS[kind] if schema == "" else schema, APPENDED_MS)


def broken(kind: TopicKind, **changes: Any) -> bytes:
    fields = as_dict(quote() if kind == "realtime" else bar())
    for name, value in changes.items():
        if value is ...:
            del fields[name]
        else:
            fields[name] = value
    return json.dumps(fields).encode()


def test_a_valid_quote_is_decoded() -> None:
    assert decode("realtime", msgspec.json.encode(quote())) == quote()


def test_a_valid_bar_is_decoded() -> None:
    assert decode("batch", msgspec.json.encode(bar())) == bar()


def test_unknown_extra_fields_are_ignored() -> None:
    assert decode("realtime", broken("realtime", venue="XNAS")) == quote()


def test_the_exchange_is_kept_and_may_be_absent_or_null() -> None:
    assert decode("realtime", broken("realtime", exchange="XNYS")) == quote(exchange="XNYS")
    assert decode("realtime", broken("realtime", exchange=...)) == quote() == decode("realtime", broken("realtime"))


QUOTE_CASES: list[tuple[str, bytes | None]] = [
    ("empty_value", None),
    ("empty_value", b""),
    ("not_json", b"{"),
    ("not_json", b"\xff\xfe"),
    ("wrong_type", b"[" * 20_000),
    ("not_json", broken("realtime", price=1.5).replace(b"1.5", b"NaN")),
    ("wrong_type", b"[]"),
    ("wrong_type", broken("realtime", price="187.25")),
    ("wrong_type", broken("realtime", price=None)),
    ("wrong_type", broken("realtime", volume=None)),
    ("wrong_type", broken("realtime", volume=1.5)),
    ("wrong_type", broken("realtime", symbol=5)),
    ("missing_field", broken("realtime", price=...)),
    ("missing_field", b"{}"),
    ("out_of_bounds", broken("realtime", price=0)),
    ("out_of_bounds", broken("realtime", price=-1.0)),
    ("out_of_bounds", broken("realtime", price=1.5).replace(b"1.5", b"1e999")),
    ("out_of_bounds", broken("realtime", volume=-1)),
    ("out_of_bounds", broken("realtime", volume=10**20)),
    ("out_of_bounds", broken("realtime", bid=0)),
    ("out_of_bounds", broken("realtime", symbol="aapl")),
    ("out_of_bounds", broken("realtime", symbol="")),
    ("out_of_bounds", broken("realtime", symbol="A" * 17)),
    ("out_of_bounds", broken("realtime", symbol="A/../B")),
    ("out_of_bounds", broken("realtime", session="lunch")),
    ("out_of_bounds", broken("realtime", currency="usd")),
    ("out_of_bounds", broken("realtime", exchange="xnas")),
    ("out_of_bounds", broken("realtime", exchange="XNASD")),
    ("wrong_type", broken("realtime", exchange=840)),
    ("out_of_bounds", broken("realtime", event_time="2026-11-23T14:30:00Z")),
    ("out_of_bounds", broken("realtime", event_time="2026-02-30T14:30:00.000Z")),
    ("out_of_bounds", broken("realtime", fetch_id='a"b\nc')),
    ("future_time", broken("realtime", event_time="2026-11-23T14:30:06.501Z")),
    ("too_large", broken("realtime", padding="x" * MAX_VALUE_BYTES)),
]


@pytest.mark.parametrize(("reason", "value"), QUOTE_CASES)
def test_a_broken_quote_is_rejected_with_its_reason(reason: str, value: bytes | None) -> None:
    with pytest.raises(Rejected) as caught:
        decode("realtime", value)
    assert caught.value.reason == reason
    assert caught.value.detail


@pytest.mark.parametrize(
    ("reason", "value"),
    [
        ("out_of_bounds", broken("batch", low=181.0)),
        ("out_of_bounds", broken("batch", high=184.0)),
        ("out_of_bounds", broken("batch", date="2026-11-31")),
        ("out_of_bounds", broken("batch", split_ratio=0)),
        ("out_of_bounds", broken("batch", exchange="NYS")),
        ("future_time", broken("batch", date="2026-11-25")),
        ("missing_field", broken("batch", close=...)),
        ("wrong_type", broken("batch", is_final=1)),
    ],
)
def test_a_broken_bar_is_rejected_with_its_reason(reason: str, value: bytes) -> None:
    with pytest.raises(Rejected) as caught:
        decode("batch", value)
    assert caught.value.reason == reason


@pytest.mark.parametrize("schema", [None, "quote.v2", "daily_bar.v1", "QUOTE.V1"])
def test_an_unknown_schema_is_rejected(schema: str | None) -> None:
    with pytest.raises(Rejected, match="unknown_schema"):
        decode("realtime", msgspec.json.encode(quote()), schema)


def test_five_seconds_ahead_of_the_append_time_is_accepted() -> None:
    assert decode("realtime", broken("realtime", event_time="2026-11-23T14:30:06.500Z"))


def test_the_date_of_an_exchange_east_of_utc_is_accepted() -> None:
    assert decode("batch", broken("batch", date="2026-11-24"))


def test_the_value_of_exactly_the_limit_is_accepted() -> None:
    value = broken("realtime", padding="")
    padded = broken("realtime", padding="x" * (MAX_VALUE_BYTES - len(value)))
    assert len(padded) == MAX_VALUE_BYTES
    assert decode("realtime", padded) == quote()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(field=st.sampled_from(sorted(as_dict(quote()))), value=json_values)
def test_whatever_a_field_holds_the_verdict_is_a_record_or_a_rejection(field: str, value: Any) -> None:
    fields = as_dict(quote()) | {field: value}
    try:
        record = decode("realtime", json.dumps(fields).encode())
    except Rejected:
        return
    assert getattr(record, field) == value


@given(st.binary(max_size=200))
def test_random_bytes_never_raise_anything_else(value: bytes) -> None:
    with pytest.raises(Rejected):
        decode("realtime", value)


header_values = st.lists(st.tuples(st.sampled_from(["schema", "reason", dlq.TOPIC, dlq.SENT, "x"]), st.binary()))


@given(own=header_values, partition=st.integers(0, 99), offset=st.integers(0, 2**62), attempts=st.integers(0, 9))
def test_a_dead_letter_gives_back_the_headers_it_had(own: Any, partition: int, offset: int, attempts: int) -> None:
    own = [*own, (dlq.ATTEMPT, str(attempts).encode())]
    headers = [*own, *dlq.error_headers("quotes", partition, offset, Rejected("not_json", "x"))]
    assert dlq.dead_letter(headers) == dlq.DeadLetter("quotes", partition, offset, "not_json", own)
    assert dlq.DeadLetter("quotes", partition, offset, "not_json", own).attempts == attempts
    assert dlq.sent_origin(headers) is None


def test_a_mark_is_no_letter_and_an_alien_record_neither() -> None:
    mark = [(dlq.SENT, b"quotes/3/7")]
    assert (dlq.dead_letter(mark), dlq.sent_origin(mark)) == (None, "quotes/3/7")
    alien = [(dlq.TOPIC, b"quotes"), (dlq.PARTITION, b"three")]
    assert (dlq.dead_letter(alien), dlq.sent_origin(alien)) == (None, None)


def test_the_schema_header_is_found_among_others() -> None:
    assert schema_header([("a", b"1"), ("schema", b"quote.v1")]) == "quote.v1"
    assert schema_header([("schema", b"\xff")]) is None
    assert schema_header([("schema", None)]) is None
    assert schema_header([]) is None
