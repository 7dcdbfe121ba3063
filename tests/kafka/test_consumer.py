"""The consumer against a real Kafka and a folder as lake."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from confluent_kafka import Message, Producer

from stockpipe.common.contracts import dlq
from stockpipe.common.errors import DataRefused
from stockpipe.common.kafka import header_list
from stockpipe.common.lake.folder import FolderStore
from stockpipe.common.lake.manifests import raw_manifests
from stockpipe.common.lake.raw_rows import RAW_COLUMNS
from stockpipe.common.times import from_text, to_text
from stockpipe.standalone.broker import Broker
from support.kafka_io import Raw, committed, encoded, end_offset, new_topic, produce, read_all
from support.landing import drain, landed
from support.records import as_dict, bar, quote
from support.waiting import eventually

SYMBOLS = ("AAPL", "FB", "GOOG", "IBM", "MSFT", "^GSPC")


def quotes(count: int) -> list[Raw]:
    """Return quotes of several symbols whose event times jump about within three hours of one session."""
    opening = from_text("2026-11-20T14:30:00.000Z")
    return [
        encoded(
            quote(
                symbol=SYMBOLS[number % len(SYMBOLS)],
                event_time=to_text(opening + timedelta(minutes=7 * number % 180, milliseconds=number)),
                price=100 + number / 7,
                volume=number,
                bid=99.5 if number % 2 else None,
            )
        )
        for number in range(count)
    ]


def test_every_record_lands_once_and_as_it_was_sent(broker: Broker, tmp_path: Path) -> None:
    topic = new_topic(broker)
    produce(broker, topic, quotes(2_000))
    summary = drain(broker, topic, tmp_path)
    assert (summary.records, summary.rejected, summary.skipped) == (2_000, 0, 0)
    rows = landed(tmp_path, topic)
    sent = read_all(broker, topic)
    assert len(sent) == 2_000
    for message in sent:
        partition, offset = message.partition() or 0, message.offset() or 0
        found_offset, row = rows[partition][offset]
        assert found_offset == offset
        value = msgspec.json.decode(message.value() or b"")
        assert {name: row[name] for name in value} == value
    assert committed(broker, topic) == {partition: len(found) for partition, found in rows.items()}


def test_a_second_run_lands_nothing(broker: Broker, tmp_path: Path) -> None:
    topic = new_topic(broker)
    produce(broker, topic, quotes(50))
    drain(broker, topic, tmp_path)
    before = [info.key for info in FolderStore(tmp_path).list("")]
    assert drain(broker, topic, tmp_path).manifests == 0
    assert [info.key for info in FolderStore(tmp_path).list("")] == before


def test_an_empty_topic_drains_at_once(broker: Broker, tmp_path: Path) -> None:
    assert drain(broker, new_topic(broker), tmp_path).manifests == 0


@pytest.mark.parametrize("raw_format", ["csv", "parquet"])
def test_producers_of_every_version_may_send_at_once(broker: Broker, tmp_path: Path, raw_format: str) -> None:
    topic = new_topic(broker, partitions=1)
    past = "2026-11-20T14:30:00.000Z"
    new = encoded(quote(event_time=past, exchange="XNYS"))
    fields = as_dict(quote(event_time=past))
    del fields["exchange"]
    old = replace(new, value=msgspec.json.encode(fields))
    younger = replace(new, value=msgspec.json.encode(fields | {"exchange": "XNAS", "unheard_of": [1]}))
    breaking = replace(new, headers=[("schema", b"quote.v2")])
    produce(broker, topic, [old, new, breaking, younger])
    assert drain(broker, topic, tmp_path, raw_format=raw_format).rejected == 1
    rows = [(offset, row["event_time"], row["exchange"]) for offset, row in landed(tmp_path, topic)[0]]
    assert rows == [(0, past, None), (1, past, "XNYS"), (3, past, "XNAS")]
    (manifest,) = raw_manifests(FolderStore(tmp_path), topic)
    assert manifest.columns == list(RAW_COLUMNS["realtime"])
    (dead,) = read_all(broker, f"{topic}.dlq")
    assert dict(header_list(dead))["reason"] == b"unknown_schema"


def test_objects_are_split_by_event_hour(broker: Broker, tmp_path: Path) -> None:
    topic = new_topic(broker, partitions=1)
    times = ["2026-11-20T14:59:59.999Z", "2026-11-20T15:00:00.000Z", "2026-11-20T14:31:00.000Z"]
    produce(broker, topic, [encoded(quote(event_time=time)) for time in times])
    drain(broker, topic, tmp_path)
    keys = sorted(entry.key for manifest in raw_manifests(FolderStore(tmp_path), topic) for entry in manifest.objects)
    folder = "raw/realtime/year=2026/month=11/day=20"
    assert keys == [
        f"{folder}/hour=14/stock_data_20261120_1431_p00_{0:020d}-{2:020d}.csv",
        f"{folder}/hour=15/stock_data_20261120_1500_p00_{1:020d}-{1:020d}.csv",
    ]


@pytest.mark.parametrize("raw_format", ["csv", "parquet"])
def test_bars_are_split_by_symbol_and_fetch(broker: Broker, tmp_path: Path, raw_format: str) -> None:
    topic = new_topic(broker, partitions=1)
    sent = [
        bar(symbol=symbol, date=f"2026-11-{day:02d}", fetch_id=f"sample-{fetch}")
        for fetch in ("a", "b")
        for symbol in ("AAPL", "^GSPC")
        for day in (18, 19)
    ]
    produce(broker, topic, [encoded(record) for record in sent])
    summary = drain(broker, topic, tmp_path, "batch", raw_format=raw_format)
    assert (summary.records, summary.objects) == (8, 4)
    (manifest,) = raw_manifests(FolderStore(tmp_path), topic)
    assert manifest.objects[0].key == (
        f"raw/historical/year=2026/month=11/day=23/AAPL_143000_p00_{0:020d}-{1:020d}.{raw_format}"
    )
    assert manifest.symbols == ["AAPL", "^GSPC"]
    assert manifest.fetches == {"sample-a": "sample AAPL", "sample-b": "sample AAPL"}
    assert (manifest.min_event_time, manifest.max_event_time) == (
        "2026-11-18T00:00:00.000Z",
        "2026-11-19T00:00:00.000Z",
    )
    rows = [row for _offset, row in landed(tmp_path, topic, "batch")[0]]
    assert [{name: row[name] for name in as_dict(record)} for row, record in zip(rows, sent, strict=True)] == [
        as_dict(record) for record in sent
    ]


def test_flushes_are_cut_by_record_count(broker: Broker, tmp_path: Path) -> None:
    topic = new_topic(broker, partitions=1)
    produce(broker, topic, quotes(3_000))
    summary = drain(broker, topic, tmp_path, flush_records=1_000)
    assert summary.records == 3_000
    assert summary.manifests >= 2
    assert [offset for offset, _row in landed(tmp_path, topic)[0]] == list(range(3_000))


def test_bad_records_go_to_the_dlq_as_they_came_and_the_line_goes_on(broker: Broker, tmp_path: Path) -> None:
    topic = new_topic(broker, partitions=1)
    good = as_dict(quote())
    bad: list[tuple[str, bytes | None]] = [
        ("not_json", b'{"symbol": "AAPL"'),
        ("missing_field", msgspec.json.encode({name: value for name, value in good.items() if name != "price"})),
        ("out_of_bounds", msgspec.json.encode(good | {"price": -1.0})),
        ("not_json", msgspec.json.encode(good).replace(b"187.25", b"NaN")),
        ("future_time", msgspec.json.encode(good | {"event_time": "2999-01-01T00:00:00.000Z"})),
        ("too_large", msgspec.json.encode(good | {"padding": "x" * 100 * 1024})),
        ("too_large", msgspec.json.encode(good | {"padding": "x" * 999_000})),
        ("empty_value", None),
        ("not_json", b"\x00\xff\xfe"),
    ]
    own_headers = (("schema", b"quote.v1"), ("trace", b"\x00\x01"), ("trace", b"again"))
    messages = [Raw(value, b"key-\xff", own_headers) for _reason, value in bad]
    messages.insert(3, Raw(msgspec.json.encode(good), b"AAPL", (("schema", b"quote.v9"),)))
    messages.insert(4, Raw(msgspec.json.encode(good), None, ()))
    reasons = [reason for reason, _value in bad]
    reasons[3:3] = ["unknown_schema", "unknown_schema"]
    past = [encoded(quote(event_time="2026-11-20T14:30:00.000Z"))]
    produce(broker, topic, past + messages + past)

    summary = drain(broker, topic, tmp_path)

    assert (summary.records, summary.rejected) == (2, len(messages))
    assert [offset for offset, _row in landed(tmp_path, topic)[0]] == [0, len(messages) + 1]
    originals = {message.offset(): message for message in read_all(broker, topic)}
    dead = sorted(
        read_all(broker, f"{topic}.dlq"), key=lambda m: int(dict(m.headers() or [])["__connect.errors.offset"] or b"")
    )
    assert len(dead) == len(messages)
    for position, (message, reason) in enumerate(zip(dead, reasons, strict=True), start=1):
        original = originals[position]
        headers = header_list(message)
        own = header_list(original)
        assert (message.key(), message.value()) == (original.key(), original.value())
        assert headers[: len(own)] == own
        assert message.timestamp()[1] == original.timestamp()[1]
        added = dict(headers[len(own) :])
        assert added["reason"] == reason.encode()
        assert added["__connect.errors.topic"] == topic.encode()
        assert added["__connect.errors.partition"] == b"0"
        assert added["__connect.errors.offset"] == str(position).encode()
        assert added["__connect.errors.exception.message"]


def origin_offset(message: Message) -> int:
    return int(dict(header_list(message))[dlq.OFFSET] or b"")


def test_a_topic_of_mostly_bad_records_trips_the_breaker(broker: Broker, tmp_path: Path) -> None:
    topic = new_topic(broker, partitions=1)
    produce(broker, topic, [Raw(b"{}") for _ in range(20_000)])
    with pytest.raises(DataRefused, match="break their contract"):
        drain(broker, topic, tmp_path)
    (manifest,) = raw_manifests(FolderStore(tmp_path), topic)
    assert 100 <= manifest.rejected < 20_000
    assert committed(broker, topic) == {0: manifest.end}
    assert len(read_all(broker, f"{topic}.dlq")) == manifest.rejected


def test_a_transaction_marker_is_counted_as_skipped(broker: Broker, tmp_path: Path) -> None:
    topic = new_topic(broker, partitions=1)
    producer = Producer({"bootstrap.servers": broker.bootstrap, "transactional.id": topic})
    producer.init_transactions()
    record = encoded(quote(event_time="2026-11-20T14:30:00.000Z"))
    for commit in (True, False, True):
        producer.begin_transaction()
        for _ in range(5):
            producer.produce(topic, record.value, key=record.key, headers=list(record.headers))
        if commit:
            producer.commit_transaction()
        else:
            producer.flush()
            producer.abort_transaction()
    eventually(lambda: end_offset(broker, topic) == 18, "the last transaction's marker is in the log")
    summary = drain(broker, topic, tmp_path)
    assert (summary.records, summary.skipped) == (10, 8)
    assert [offset for offset, _row in landed(tmp_path, topic)[0]] == [0, 1, 2, 3, 4, 12, 13, 14, 15, 16]
    assert committed(broker, topic) == {0: 18}
