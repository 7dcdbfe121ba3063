"""Two consumers that both think they own a partition: one froze in its flush, and wakes after another took over."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from stockpipe.common.lake.folder import FolderStore
from stockpipe.common.lake.manifests import raw_manifests
from stockpipe.standalone.broker import Broker
from support.fatal_store import WITH_SUPPORT
from support.kafka_io import committed, encoded, new_topic, produce
from support.landing import drain, landed
from support.records import quote
from support.waiting import eventually

DOOMED = Path(__file__).with_name("doomed_consumer.py")


@pytest.mark.parametrize("kind", ["object", "manifest"])
def test_a_consumer_that_wakes_after_its_partition_was_taken_writes_nothing_twice(
    broker: Broker, tmp_path: Path, kind: str
) -> None:
    topic = new_topic(broker, partitions=1)
    produce(broker, topic, [encoded(quote(volume=number)) for number in range(500)])
    command = [sys.executable, str(DOOMED), "stop", "before", kind, "1", "--topic", "realtime"]
    command += ["--kafka-bootstrap-server", broker.bootstrap, "--kafka-topic-realtime", topic]
    command += ["--kafka-consumer-group-prefix", f"{topic}-", "--lake-url", f"file://{tmp_path}"]
    command += ["--flush-records", "500", "--flush-seconds", "0.2"]
    log = tmp_path.with_suffix(".log")
    with log.open("w") as output:
        zombie = subprocess.Popen(command, env=WITH_SUPPORT, stdout=output, stderr=subprocess.STDOUT)
    try:
        eventually(lambda: _is_frozen(zombie.pid), "the first consumer is frozen in its flush")
        produce(broker, topic, [encoded(quote(volume=number)) for number in range(500, 700)])
        # The other reads more than the zombie had, so its manifest has another end.
        assert drain(broker, topic, tmp_path).records == 700

        zombie.send_signal(signal.SIGCONT)
        produce(broker, topic, [encoded(quote(volume=number)) for number in range(700, 900)])
        eventually(lambda: len(_volumes(tmp_path, topic)) == 900, "the zombie goes on where the other ended")
        zombie.terminate()
        zombie.wait(30)
    finally:
        zombie.kill()
    said = log.read_text()
    assert zombie.returncode == 0, said[-2000:]
    assert '"records":200' in said.splitlines()[-1]
    assert _volumes(tmp_path, topic) == list(range(900))
    assert [manifest.start for manifest in raw_manifests(FolderStore(tmp_path), topic)][:2] == [0, 700]
    assert committed(broker, topic) == {0: 900}


def _is_frozen(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def _volumes(lake: Path, topic: str) -> list[int]:
    return sorted(row["volume"] for rows in landed(lake, topic).values() for _offset, row in rows)
