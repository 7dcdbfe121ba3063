"""Kill -9 the redrive around its commits; then let it run again and count."""

import subprocess
import sys
from pathlib import Path

import pytest

from stockpipe.common.contracts import decode
from stockpipe.standalone.broker import Broker
from support.kafka_io import Raw, encoded, new_topic, produce
from support.landing import drain, landed
from support.records import quote
from support.redriving import assert_books_balance, redrive

DOOMED = Path(__file__).with_name("doomed_redrive.py")


@pytest.mark.parametrize(("moment", "number", "sent"), [("before", 1, 0), ("after", 1, 10), ("before", 2, 10)])
def test_killed_around_a_commit_every_letter_is_sent_once(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str, number: int, sent: int
) -> None:
    topic = new_topic(broker, partitions=2)
    refused = [encoded(quote(event_time="2026-11-20T14:30:00.000Z", volume=volume), volume % 2) for volume in range(25)]
    produce(broker, topic, [Raw(r.value, r.key, (("schema", b"quote.v2"),), r.partition) for r in refused])
    assert drain(broker, topic, tmp_path).rejected == 25
    command = [sys.executable, str(DOOMED), moment, str(number), "--topic", "realtime"]
    command += ["--kafka-bootstrap-server", broker.bootstrap, "--kafka-topic-realtime", topic]
    command += ["--lake-url", f"file://{tmp_path}"]
    killed = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert killed.returncode == -9, killed.stderr

    contracts = decode._CONTRACTS["realtime"]
    monkeypatch.setitem(contracts, "quote.v2", contracts["quote.v1"])
    summary = redrive(broker, topic, tmp_path)
    assert (summary.sent.total(), summary.already_sent) == (25 - sent, sent)
    drain(broker, topic, tmp_path)
    rows = [row["volume"] for found in landed(tmp_path, topic).values() for _offset, row in found]
    assert sorted(rows) == list(range(25))
    assert_books_balance(broker, topic, tmp_path)
