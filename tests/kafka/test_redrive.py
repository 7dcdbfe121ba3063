"""Dead letters back to their topic: each once, its attempts counted, the books balanced."""

import json
import subprocess
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Message

from stockpipe.common.contracts import decode, dlq
from stockpipe.common.contracts.decode import Rejected
from stockpipe.common.contracts.dlq import DeadLetter
from stockpipe.common.errors import Unavailable
from stockpipe.common.kafka import header_list
from stockpipe.common.times import to_text
from stockpipe.consumer import redrive as redrive_module
from stockpipe.consumer.once import OnceProducer
from stockpipe.standalone.broker import Broker
from support.clocks import ManualClock
from support.kafka_io import Raw, encoded, end_offset, new_topic, produce, read_all
from support.landing import drain, quiet_log, settings_for, volumes
from support.programs import program_path
from support.records import quote
from support.redriving import assert_books_balance, new_redrive, redrive, settle
from support.waiting import eventually

PAST = "2026-11-20T14:30:00.000Z"


def quote_v1(volume: int) -> Raw:
    return encoded(quote(symbol=f"S{volume % 7}", event_time=PAST, volume=volume))


def quote_v2(volume: int) -> Raw:
    """Return a record that is refused until its schema is learned."""
    own = (("schema", b"quote.v2"), ("fetch_id", b"f"), ("reason", b"its own"), ("trace", b"\x00"), ("trace", b"2"))
    record = quote_v1(volume)
    return Raw(record.value, record.key, own)


def learn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mend the consumer: from now on it knows quote.v2."""
    contracts = decode._CONTRACTS["realtime"]
    monkeypatch.setitem(contracts, "quote.v2", contracts["quote.v1"])


def letters(broker: Broker, topic: str) -> list[tuple[Message, DeadLetter]]:
    found = [(message, dlq.dead_letter(header_list(message))) for message in read_all(broker, f"{topic}.dlq")]
    return [(message, letter) for message, letter in found if letter]


def test_what_is_good_after_a_mend_lands_once_and_what_is_bad_stays(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = new_topic(broker)
    refused = [quote_v2(number) for number in range(10, 30)]
    bad = [Raw(b"{", b"S1"), Raw(b"{}", b"S1")]
    produce(broker, topic, [*map(quote_v1, range(10)), *refused, *bad])
    assert drain(broker, topic, tmp_path).rejected == 22
    assert redrive(broker, topic, tmp_path).still_bad == {"unknown_schema": 20, "not_json": 1, "missing_field": 1}
    learn(monkeypatch)
    before = read_all(broker, topic)
    would = redrive(broker, topic, tmp_path, dry_run=True)
    assert (would.sent, would.still_bad) == ({"unknown_schema": 20}, {"not_json": 1, "missing_field": 1})
    assert len(read_all(broker, topic)) == len(before), "a dry run sends nothing"

    summary = redrive(broker, topic, tmp_path)
    assert (summary.sent, summary.still_bad) == (would.sent, would.still_bad)
    origins = {f"{topic}/{m.partition()}/{m.offset()}": m for m in before}
    sent = [m for m in read_all(broker, topic) if dlq.ORIGIN in dict(header_list(m))]
    assert len(sent) == 20
    for message in sent:
        headers = header_list(message)
        original = origins.pop((dict(headers)[dlq.ORIGIN] or b"").decode())
        assert (message.key(), message.value(), message.partition()) == (
            original.key(),
            original.value(),
            original.partition(),
        )
        assert headers[:-2] == header_list(original)
        assert headers[-2] == (dlq.ATTEMPT, b"1")

    assert drain(broker, topic, tmp_path).records == 20
    assert volumes(tmp_path, topic) == list(range(30))
    assert_books_balance(broker, topic, tmp_path)

    again = redrive(broker, topic, tmp_path)
    assert (again.sent, again.already_sent, again.still_bad) == (Counter(), 20, summary.still_bad)
    drain(broker, topic, tmp_path)
    assert volumes(tmp_path, topic) == list(range(30))


def test_a_quote_of_the_future_is_judged_anew_by_its_new_append_time(broker: Broker, tmp_path: Path) -> None:
    topic = new_topic(broker, partitions=1)
    event_time = datetime.now(UTC) + timedelta(seconds=8)
    produce(broker, topic, [encoded(quote(event_time=to_text(event_time)))])
    assert drain(broker, topic, tmp_path).rejected == 1
    tolerated = event_time - decode.FUTURE_TOLERANCE
    eventually(lambda: datetime.now(UTC) > tolerated, "the quote is no longer of the future")
    assert redrive(broker, topic, tmp_path).sent == {"future_time": 1}
    assert drain(broker, topic, tmp_path).records == 1
    assert_books_balance(broker, topic, tmp_path)


def test_a_letter_that_fails_again_counts_its_attempts_until_they_are_exhausted(broker: Broker, tmp_path: Path) -> None:
    topic = new_topic(broker, partitions=1)
    produce(broker, topic, [encoded(quote(event_time="2998-01-01T00:00:00.000Z"))])
    deluded = ManualClock(datetime(2999, 1, 1, tzinfo=UTC))
    for attempt in range(3):
        assert drain(broker, topic, tmp_path).rejected == 1
        summary = redrive(broker, topic, tmp_path, deluded, max_attempts=2)
        assert (summary.sent.total(), summary.exhausted) == ((1, 0) if attempt < 2 else (0, 1))
        assert summary.already_sent == attempt
    assert [(letter.offset, letter.attempts) for _message, letter in letters(broker, topic)] == [(0, 0), (1, 1), (3, 2)]
    assert_books_balance(broker, topic, tmp_path)


def test_a_letter_that_lies_there_twice_is_sent_once(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = new_topic(broker, partitions=2)
    produce(broker, topic, [quote_v2(1)])
    drain(broker, topic, tmp_path)
    ((message, _letter),) = letters(broker, topic)
    copy = Raw(message.value(), message.key(), [(name, value or b"") for name, value in header_list(message)])
    other = Raw(copy.value, copy.key, copy.headers, partition=1 - (message.partition() or 0))
    produce(broker, f"{topic}.dlq", [copy, other])
    learn(monkeypatch)
    summary = redrive(broker, topic, tmp_path)
    assert (summary.sent.total(), summary.duplicates) == (1, 2)
    assert redrive(broker, topic, tmp_path).already_sent == 3
    drain(broker, topic, tmp_path)
    assert volumes(tmp_path, topic) == [1]
    assert_books_balance(broker, topic, tmp_path)


def test_only_letters_that_a_manifest_counts_as_refused_are_sent(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A consumer that died before its manifest leaves letters whose records may yet land, or have landed since."""
    topic = new_topic(broker, partitions=1)
    produce(broker, topic, [quote_v1(0), quote_v2(1)])
    drain(broker, topic, tmp_path)
    error = Rejected("unknown_schema", "x")
    record = quote_v2(2)
    left = [
        Raw(record.value, record.key, [*record.headers, *dlq.error_headers(origin, 0, offset, error)])
        for origin, offset in ((topic, 0), (topic, 2), ("another", 0))
    ]
    produce(broker, f"{topic}.dlq", [*left, Raw(b"no letter")])
    learn(monkeypatch)
    summary = redrive(broker, topic, tmp_path)
    assert (summary.read, summary.sent.total()) == (5, 1)
    assert (summary.landed, summary.uncommitted, summary.foreign) == (1, 1, 2)
    drain(broker, topic, tmp_path)
    assert_books_balance(broker, topic, tmp_path)
    assert redrive(broker, topic, tmp_path).landed == 2, "the open offset has landed by now"


def test_of_two_redrives_at_once_the_later_one_sends(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = new_topic(broker, partitions=1)
    produce(broker, topic, [quote_v2(number) for number in range(5)])
    drain(broker, topic, tmp_path)
    learn(monkeypatch)

    class Overtaken(OnceProducer):
        def _commit(self) -> None:
            assert redrive(broker, topic, tmp_path).sent.total() == 5
            super()._commit()

    slow = Overtaken(settings_for(broker, topic), quiet_log(), topic)
    with pytest.raises(Unavailable, match=r"another redrive of .* began and took over"):
        new_redrive(broker, topic, tmp_path, producer=slow).run()
    drain(broker, topic, tmp_path)
    assert volumes(tmp_path, topic) == list(range(5))
    assert redrive(broker, topic, tmp_path).already_sent == 5
    assert_books_balance(broker, topic, tmp_path)


def test_an_error_in_the_middle_sends_nothing_of_its_transaction(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = new_topic(broker, partitions=1)
    produce(broker, topic, [quote_v2(number) for number in range(5)])
    drain(broker, topic, tmp_path)
    learn(monkeypatch)
    monkeypatch.setattr(redrive_module, "TRANSACTION_RECORDS", 2)

    class Interrupted(OnceProducer):
        transactions = 0

        def _commit(self) -> None:
            self.transactions += 1
            if self.transactions == 2:
                self._producer.flush()
                raise KeyboardInterrupt
            super()._commit()

    producer = Interrupted(settings_for(broker, topic), quiet_log(), topic)
    with pytest.raises(KeyboardInterrupt):
        new_redrive(broker, topic, tmp_path, producer=producer).run()
    settle(broker, topic)
    drain(broker, topic, tmp_path)
    assert volumes(tmp_path, topic) == [0, 1]
    assert_books_balance(broker, topic, tmp_path)
    assert redrive(broker, topic, tmp_path).sent.total() == 3
    drain(broker, topic, tmp_path)
    assert volumes(tmp_path, topic) == list(range(5))
    assert_books_balance(broker, topic, tmp_path)


def test_reasons_select(broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    topic = new_topic(broker, partitions=1)
    produce(broker, topic, [quote_v2(1)])
    drain(broker, topic, tmp_path)
    learn(monkeypatch)
    assert redrive(broker, topic, tmp_path, reason="not_json,future_time").not_selected == 1
    assert redrive(broker, topic, tmp_path, reason="not_json,unknown_schema").sent == {"unknown_schema": 1}


def run_program(broker: Broker, topic: str, lake: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    command = [program_path("stockpipe-consumer"), "redrive", "--topic", "realtime", *flags]
    command += ["--kafka-bootstrap-server", broker.bootstrap, "--kafka-topic-realtime", topic]
    return subprocess.run(
        [*command, "--lake-url", f"file://{lake}"], capture_output=True, text=True, timeout=60, check=False
    )


def test_the_program_tells_of_an_empty_dlq_in_its_last_line(broker: Broker, tmp_path: Path) -> None:
    topic = new_topic(broker)
    done = run_program(broker, topic, tmp_path)
    summary: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, summary["topic"], summary["read"], summary["sent"]) == (0, topic, 0, {})
    assert end_offset(broker, topic) == 0


def test_an_unknown_reason_is_named(broker: Broker, tmp_path: Path) -> None:
    done = run_program(broker, "unused", tmp_path, "--reason", "not_json,nonsense")
    assert done.returncode == 2
    assert "unknown reason nonsense; the reasons are empty_value, too_large, unknown_schema" in done.stderr
