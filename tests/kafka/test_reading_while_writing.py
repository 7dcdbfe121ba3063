"""What happens to records that are read while earlier ones are being written, against a real Kafka."""

import threading
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition

from stockpipe.common.clock import SystemClock
from stockpipe.common.health import WatchedClock
from stockpipe.common.lake.folder import FolderStore
from stockpipe.common.lake.manifests import raw_manifests
from stockpipe.standalone.broker import Broker
from support.kafka_io import Raw, committed, encoded, new_topic, produce
from support.landing import buffer_of, build, drain, land_as_another, settings_for, volumes
from support.member import Member
from support.records import quote
from support.waiting import eventually


class HeldStore(FolderStore):
    """A store whose writes wait until `go` is set."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.go = threading.Event()
        self.held = threading.Event()

    def create(self, key: str, data: bytes) -> None:
        self.held.set()
        assert self.go.wait(60)
        super().create(key, data)


@pytest.fixture
def held(tmp_path: Path) -> HeldStore:
    return HeldStore(tmp_path)


def some_quotes(count: int, first: int = 0) -> list[Raw]:
    return [encoded(quote(symbol="AAPL", volume=first + number)) for number in range(count)]


def ranges(lake: Path, topic: str) -> list[tuple[str, int, int]]:
    return [(each.writer, each.start, each.end) for each in raw_manifests(FolderStore(lake), topic)]


def has_read(member: Member, offset: int) -> bool:
    buffer = member.service._buffers.get(0)
    return buffer is not None and buffer.next == offset


def reading_ahead(broker: Broker, topic: str, held: HeldStore, name: str) -> Member:
    """Return a member that writes 100 records and has read 50 more."""
    member = Member(broker, topic, held, name, flush_records=100, flush_seconds=100)
    produce(broker, topic, some_quotes(100))
    eventually(held.held.is_set, "the first flush is being written")
    produce(broker, topic, some_quotes(50, first=100))
    eventually(lambda: has_read(member, 150), "what came meanwhile is read")
    return member


def test_reading_goes_on_while_a_flush_is_written(broker: Broker, held: HeldStore, tmp_path: Path) -> None:
    topic = new_topic(broker, partitions=1)
    member = reading_ahead(broker, topic, held, "reader")
    eventually(lambda: member.lag == 150, "what isn't durable yet is the lag")
    assert ranges(tmp_path, topic) == []
    assert committed(broker, topic) == {0: None}
    held.go.set()
    member.leave()
    assert volumes(tmp_path, topic) == list(range(150))
    assert ranges(tmp_path, topic) == [("reader", 0, 100), ("reader", 100, 150)]
    assert committed(broker, topic) == {0: 150}


def test_what_was_read_after_a_range_that_another_cut_shorter_is_read_again(
    broker: Broker, held: HeldStore, tmp_path: Path
) -> None:
    topic = new_topic(broker, partitions=1)
    slow = reading_ahead(broker, topic, held, "slow")
    land_as_another(broker, tmp_path, topic, records=40)
    held.go.set()
    eventually(lambda: len(volumes(tmp_path, topic)) >= 140, "the slow one goes on after the other's range")
    slow.leave()
    assert volumes(tmp_path, topic) == list(range(150))
    first, second, *_rest = ranges(tmp_path, topic)
    assert first == ("other", 0, 40)
    assert second[:2] == ("slow", 40)
    assert slow.service.summary.adopted == 1


def test_a_member_that_joins_waits_for_what_is_being_written(broker: Broker, held: HeldStore, tmp_path: Path) -> None:
    topic = new_topic(broker, partitions=1)
    first = reading_ahead(broker, topic, held, "first")
    second = Member(broker, topic, FolderStore(tmp_path), "second", flush_seconds=0.1)
    threading.Timer(0.5, held.go.set).start()
    first.leave()
    produce(broker, topic, some_quotes(50, first=150))
    eventually(lambda: committed(broker, topic) == {0: 200}, "the second one goes on where the first one ended")
    second.leave()
    assert volumes(tmp_path, topic) == list(range(200))
    assert ranges(tmp_path, topic)[:2] == [("first", 0, 100), ("first", 100, 150)]


def test_what_is_being_written_of_a_lost_partition_is_neither_committed_nor_forgotten(
    broker: Broker, tmp_path: Path
) -> None:
    topic = new_topic(broker, partitions=1)
    produce(broker, topic, some_quotes(100))
    service = build(settings_for(broker, topic), FolderStore(tmp_path), writer="loser")
    service._buffers[0] = buffer_of(broker, topic, 60)
    service._hand_over([service._buffers[0]])
    service._on_lost(service._consumer, [TopicPartition(topic, 0)])
    assert service._settle()
    service._consumer.close()
    assert ranges(tmp_path, topic) == [("loser", 0, 60)]
    assert service.summary.records == 60
    assert committed(broker, topic) == {0: None}
    assert drain(broker, topic, tmp_path).records == 40
    assert volumes(tmp_path, topic) == list(range(100))


def test_a_write_that_never_ends_is_a_loop_that_stalls(broker: Broker, held: HeldStore, tmp_path: Path) -> None:
    topic = new_topic(broker, partitions=1)
    produce(broker, topic, some_quotes(100))
    clock = WatchedClock(SystemClock(), stall_seconds=0.5)
    service = build(settings_for(broker, topic, flush_seconds=0.2), held, clock)
    stop = threading.Event()
    stalled: list[bool] = []

    def watch() -> None:
        try:
            eventually(lambda: held.held.is_set() and clock.overdue_seconds > 0, "liveness sees the hanging write")
            stalled.append(True)
        finally:
            held.go.set()
            stop.set()

    watcher = threading.Thread(target=watch)
    watcher.start()
    service.run(stop)
    watcher.join()
    assert stalled == [True]
    assert volumes(tmp_path, topic) == list(range(100))
