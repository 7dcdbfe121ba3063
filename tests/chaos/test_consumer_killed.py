"""Kill -9 the consumer at every boundary of its commit protocol; then let it run again and count."""

import subprocess
import sys
from pathlib import Path

import pytest

from stockpipe.common.contracts import dlq
from stockpipe.common.kafka import header_list
from stockpipe.common.lake.folder import FolderStore
from stockpipe.common.lake.manifests import raw_manifests
from stockpipe.standalone.broker import Broker
from support.fatal_store import WITH_SUPPORT
from support.kafka_io import Raw, committed, encoded, new_topic, produce, read_all
from support.landing import drain, landed
from support.records import quote

DOOMED = Path(__file__).with_name("doomed_consumer.py")


@pytest.mark.parametrize(
    ("moment", "kind", "number"),
    [
        ("before", "object", 1),
        ("before", "object", 2),
        ("after", "object", 2),
        ("before", "manifest", 1),
        ("after", "manifest", 1),
        ("before", "manifest", 2),
        ("after", "manifest", 2),
    ],
)
def test_killed_at_a_boundary_nothing_is_lost_or_doubled(
    broker: Broker, tmp_path: Path, moment: str, kind: str, number: int
) -> None:
    topic = new_topic(broker, partitions=2)
    # Two event hours, so that a flush writes two objects; every tenth record is bad.
    sent = [
        Raw(b"broken", b"X", (("schema", b"quote.v1"),), number % 2)
        if number % 10 == 9
        else encoded(quote(volume=number, event_time=f"2026-11-20T1{4 + number % 2}:30:00.000Z"), number // 2 % 2)
        for number in range(1_000)
    ]
    produce(broker, topic, sent)
    same_member = f"member-of-{topic}"
    command = [sys.executable, str(DOOMED), "kill", moment, kind, str(number), "--topic", "realtime", "--drain"]
    command += ["--kafka-bootstrap-server", broker.bootstrap, "--kafka-topic-realtime", topic]
    command += ["--lake-url", f"file://{tmp_path}", "--kafka-group-instance-id", same_member]
    command += ["--kafka-consumer-group-prefix", f"{topic}-"]
    killed = subprocess.run(command, env=WITH_SUPPORT, capture_output=True, text=True, timeout=60, check=False)
    assert killed.returncode == -9, killed.stderr

    drain(broker, topic, tmp_path, kafka_group_instance_id=same_member)

    manifests = list(raw_manifests(FolderStore(tmp_path), topic))
    rows = [row["volume"] for found in landed(tmp_path, topic).values() for _offset, row in found]
    assert sorted(rows) == [n for n in range(1_000) if n % 10 != 9]
    assert sum(manifest.rejected for manifest in manifests) == 100
    origins = {
        (headers[dlq.PARTITION], headers[dlq.OFFSET])
        for headers in (dict(header_list(message)) for message in read_all(broker, f"{topic}.dlq"))
    }
    assert len(origins) == 100
    ends = {manifest.partition: manifest.end for manifest in manifests}
    assert committed(broker, topic) == ends
    assert sum(ends.values()) == 1_000
