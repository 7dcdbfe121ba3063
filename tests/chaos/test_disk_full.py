"""A lake folder on a disk that is full for a while."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from stockpipe.common.lake.folder import FolderStore
from stockpipe.common.lake.manifests import raw_manifests
from stockpipe.common.lake.store import StoreUnavailable
from stockpipe.standalone.broker import Broker
from support.kafka_io import committed, encoded, new_topic, produce
from support.landing import landed
from support.member import Member
from support.records import quote
from support.waiting import eventually

SIZE = 2 * 2**20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    mounting = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(tmp_path)]
    done = subprocess.run(mounting, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"a small file system can't be mounted here: {done.stderr.strip()}")
    yield tmp_path
    subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


def test_a_full_disk_is_waited_out_and_leaves_nothing_half_written(broker: Broker, small_disk: Path) -> None:
    topic = new_topic(broker, partitions=1)
    store = FolderStore(small_disk)
    ballast = small_disk / "ballast"
    with pytest.raises(OSError, match="No space left"):
        _fill(ballast)
    with pytest.raises(StoreUnavailable, match="No space left on device; free space or mend the disk"):
        store.create("raw/object", bytes(4096))
    produce(broker, topic, [encoded(quote(volume=number)) for number in range(2_000)])
    member = Member(broker, topic, store, "patient", flush_seconds=0.1)
    eventually(lambda: member.service._failures >= 2, "the flush has failed twice")
    assert list(raw_manifests(store, topic)) == []

    ballast.unlink()
    eventually(lambda: bool(list(raw_manifests(store, topic))), "the flush succeeds once there is space")
    member.leave()
    assert sorted(row["volume"] for _offset, row in landed(small_disk, topic)[0]) == list(range(2_000))
    assert committed(broker, topic) == {0: 2_000}
    assert not any((small_disk / ".unfinished").iterdir())


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
