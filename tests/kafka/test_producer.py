"""The producer's programs against a real Kafka."""

import json
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from stockpipe.common.contracts.daily_bar import DailyBar
from stockpipe.common.contracts.quote import Quote
from stockpipe.common.kafka import header_list
from stockpipe.standalone.broker import Broker
from support.kafka_io import new_topic, read_all
from support.landing import drain
from support.programs import program_path


def producer(broker: Broker, topic: str, *flags: str) -> tuple[int, list[str], str]:
    command = [program_path("stockpipe-producer"), *flags, "--kafka-bootstrap-server", broker.bootstrap]
    command += ["--kafka-topic-realtime", topic, "--kafka-topic-batch", topic]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout.splitlines(), done.stderr


def test_batch_sends_every_bar_keyed_and_traced(broker: Broker, tmp_path: Path) -> None:
    topic, xcom = new_topic(broker), tmp_path / "return.json"
    flags = ["--symbols", "AAPL,FB", "--from", "2012-01-01", "--to", "2012-12-31", "--batch-id", "20130101T000000Z-x"]
    code, output, _errors = producer(broker, topic, "batch", *flags, "--xcom-path", str(xcom))
    assert code == 0
    summary = json.loads(output[-1])
    assert summary == {
        "batch_id": "20130101T000000Z-x",
        "records": 250 + 155,
        "symbols": {"AAPL": 250, "FB": 155},
        "failed": {},
        "actions": 0,
        "differences": [],
    }
    assert json.loads(xcom.read_text()) == summary
    messages = read_all(broker, topic)
    bars = [msgspec.json.decode(message.value() or b"", type=DailyBar) for message in messages]
    assert Counter(bar.symbol for bar in bars) == {"AAPL": 250, "FB": 155}
    for message, bar in zip(messages, bars, strict=True):
        assert message.key() == bar.symbol.encode()
        assert dict(header_list(message)) == {
            "schema": b"daily_bar.v1",
            "fetch_id": bar.fetch_id.encode(),
            "request": f"sample bars {bar.symbol} 2012-01-01..2012-12-31".encode(),
        }
    assert len({bar.fetch_id for bar in bars}) == 2
    assert {bar.batch_id for bar in bars} == {"20130101T000000Z-x"}


def test_one_unknown_symbol_does_not_stop_the_others(broker: Broker) -> None:
    topic = new_topic(broker)
    code, output, errors = producer(broker, topic, "batch", "--symbols", "NOPE,IBM", "--from", "2013-02-01")
    assert code == 5
    assert json.loads(output[-1])["symbols"] == {"IBM": 20}
    assert errors.splitlines()[-1].startswith(
        "stockpipe-producer: error: 1 of 2 symbols gave no bars: NOPE: unknown symbol"
    )
    assert len(read_all(broker, topic)) == 20


def test_a_session_is_replayed_as_fast_as_it_can(broker: Broker) -> None:
    topic = new_topic(broker)
    code, output, _errors = producer(broker, topic, "realtime", "--session-date", "2013-03-01", "--speed", "0")
    assert (code, json.loads(output[-1])) == (0, {"rounds": 781, "records": 3_905, "failed_rounds": 0})
    quotes = [msgspec.json.decode(message.value() or b"", type=Quote) for message in read_all(broker, topic)]
    assert Counter(quote.symbol for quote in quotes) == dict.fromkeys(("AAPL", "FB", "GOOG", "IBM", "MSFT"), 781)
    assert len({(quote.symbol, quote.event_time) for quote in quotes}) == 3_905


def test_pace_follows_the_speed(broker: Broker) -> None:
    topic = new_topic(broker)
    began = time.monotonic()
    flags = ["--session-date", "2013-03-01", "--speed", "7800", "--fetch-interval-seconds", "600", "--symbols", "IBM"]
    code, _output, _errors = producer(broker, topic, "realtime", *flags)
    assert code == 0
    # 6.5 hours at 7,800 times their pace are 3 seconds.
    assert time.monotonic() - began > 3


def as_objects(messages: Any) -> list[dict[str, Any]]:
    return [json.loads(message.value()) for message in messages]


@pytest.mark.parametrize("kind", ["realtime", "batch"])
def test_replay_sends_what_the_lake_holds_as_duplicates_of_the_originals(
    broker: Broker, tmp_path: Path, kind: str
) -> None:
    topic = new_topic(broker)
    symbols = ["--symbols", "AAPL,IBM"]
    flags = (
        ["realtime", *symbols, "--session-date", "2013-03-01", "--speed", "0"]
        if kind == "realtime"
        else ["batch", *symbols, "--from", "2013-01-01", "--to", "2013-02-28", "--batch-id", "20130101T000000Z-x"]
    )
    assert producer(broker, topic, *flags)[0] == 0
    drain(broker, topic, tmp_path, "realtime" if kind == "realtime" else "batch")
    command = [program_path("stockpipe-producer"), *flags, "--sources", "replay", "--lake-url", f"file://{tmp_path}"]
    command += ["--kafka-bootstrap-server", broker.bootstrap]
    command += ["--kafka-topic-realtime", topic, "--kafka-topic-batch", topic]
    before = len(read_all(broker, topic))
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    messages = as_objects(read_all(broker, topic))
    originals = [message for message in messages if message["origin"] != "replay"]
    replayed = [message for message in messages if message["origin"] == "replay"]
    assert len(originals) == len(replayed) == before
    moment = "event_time" if kind == "realtime" else "date"
    assert {(m["symbol"], m[moment], m["source"], m["fetch_id"]) for m in replayed} == {
        (m["symbol"], m[moment], m["source"], m["fetch_id"]) for m in originals
    }


def test_replay_of_an_empty_lake_is_named(broker: Broker, tmp_path: Path) -> None:
    flags = ["--sources", "replay", "--lake-url", f"file://{tmp_path}", "--session-date", "2013-03-01"]
    code, _output, errors = producer(broker, new_topic(broker), "realtime", *flags)
    assert code == 2
    assert "the lake holds no quote of AAPL" in errors.splitlines()[-1]


def test_gaps_are_listed_filled_and_then_gone(broker: Broker, tmp_path: Path) -> None:
    topic = new_topic(broker)
    flags = ["--symbols", "IBM", "--from", "2013-02-01", "--to", "2013-02-28", "--lake-url", f"file://{tmp_path}"]

    def gaps(*more: str) -> list[dict[str, Any]]:
        code, output, errors = producer(broker, topic, "gaps", *flags, *more)
        assert code == 0, errors
        account: dict[str, Any] = json.loads(output[-1])["symbols"][0]
        assert account["expected"] == 19
        found: list[dict[str, Any]] = account["gaps"]
        return found

    whole = {"symbol": "IBM", "first": "2013-02-01", "last": "2013-02-28", "sessions": 19, "reason": "not_fetched"}
    assert gaps() == [whole]
    assert gaps("--fill") == [whole]
    drain(broker, topic, tmp_path, "batch")
    assert len(read_all(broker, topic)) == 19
    assert gaps() == []
