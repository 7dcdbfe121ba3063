"""Rebalances, outages, lost offsets and the way out, against a real Kafka."""

import signal
import subprocess
import threading
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from stockpipe.common import kafka
from stockpipe.common.errors import DataRefused
from stockpipe.common.lake.folder import FolderStore
from stockpipe.common.lake.manifests import raw_manifests
from stockpipe.common.lake.store import StoreUnavailable
from stockpipe.consumer import service as consumer_service
from stockpipe.standalone.broker import Broker
from support.kafka_io import Raw, committed, encoded, new_topic, produce
from support.landing import drain, land_as_another, landed, volumes
from support.member import Member
from support.mock_cluster import OFFSET_COMMIT, mock_cluster
from support.programs import program_path
from support.records import quote
from support.waiting import eventually


def some_quotes(count: int, first: int = 0) -> list[Raw]:
    return [
        encoded(quote(symbol=f"S{number % 7}", event_time="2026-11-20T14:30:00.000Z", volume=first + number))
        for number in range(count)
    ]


def writers(lake: Path, topic: str) -> set[str]:
    return {manifest.writer for manifest in raw_manifests(FolderStore(lake), topic)}


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_members_that_come_and_go_lose_and_double_nothing(broker: Broker, tmp_path: Path, protocol: str) -> None:
    topic = new_topic(broker, partitions=6)
    store = FolderStore(tmp_path)
    changes = {"flush_seconds": 0.2, "kafka_group_protocol": protocol}
    first = Member(broker, topic, store, "first", **changes)
    produce(broker, topic, some_quotes(1_000))
    eventually(lambda: "first" in writers(tmp_path, topic), "the first member lands records")
    second = Member(broker, topic, store, "second", **changes)
    sent = 1_000

    def second_lands() -> bool:
        nonlocal sent
        produce(broker, topic, some_quotes(200, first=sent))
        sent += 200
        return "second" in writers(tmp_path, topic)

    eventually(second_lands, "the second member lands records")
    produce(broker, topic, some_quotes(500, first=sent))
    first.leave()
    produce(broker, topic, some_quotes(500, first=sent + 500))
    eventually(lambda: len(volumes(tmp_path, topic)) >= sent + 1_000, "everything is landed")
    second.leave()
    assert volumes(tmp_path, topic) == list(range(sent + 1_000))
    ends = {partition: len(rows) for partition, rows in landed(tmp_path, topic).items()}
    assert committed(broker, topic) == {partition: ends.get(partition) for partition in range(6)}


class FailingStore(FolderStore):
    """A store whose writes fail while `down` is set."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.down = threading.Event()
        self.refused = 0

    def create(self, key: str, data: bytes) -> None:
        if self.down.is_set():
            self.refused += 1
            raise StoreUnavailable("the store is down")
        super().create(key, data)


def test_a_store_outage_is_waited_out_with_the_membership_alive(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer_service, "RETRY_SECONDS", (0.05,))
    topic = new_topic(broker)
    store = FailingStore(tmp_path)
    store.down.set()
    produce(broker, topic, some_quotes(300))
    member = Member(broker, topic, store, "patient", flush_seconds=0.1)
    eventually(lambda: store.refused >= 5, "the flush is tried again and again")
    eventually(lambda: member.lag == 300, "what isn't landed is the lag")
    produce(broker, topic, some_quotes(300, first=300))
    store.down.clear()
    eventually(lambda: len(volumes(tmp_path, topic)) == 600, "everything is landed after the outage")
    eventually(lambda: member.lag == 0, "nothing is left")
    member.leave()
    assert volumes(tmp_path, topic) == list(range(600))


@pytest.mark.parametrize(
    "code",
    [14, 16, 22, 25, 27],
    ids=["loading", "not_coordinator", "illegal_generation", "unknown_member", "rebalance"],
)
def test_commits_that_the_coordinator_refuses_are_made_again(
    tmp_path: Path, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A member that lost its id comes back as another one, once the group takes the old one for dead.
    monkeypatch.setitem(kafka._CONSUMER, "session.timeout.ms", 1_000)
    monkeypatch.setitem(kafka._CONSUMER, "heartbeat.interval.ms", 200)
    with mock_cluster() as cluster:
        for name in ("quotes", "quotes.dlq"):
            cluster.create_topic(name, partitions=2)
        produce(cluster, "quotes", some_quotes(300))
        cluster.answer_with(OFFSET_COMMIT, [code] * 3)
        drain(cluster, "quotes", tmp_path)
        assert volumes(tmp_path, "quotes") == list(range(300))
        ends = {partition: len(rows) for partition, rows in landed(tmp_path, "quotes").items()}
        assert committed(cluster, "quotes") == ends


def test_many_partitions_together_hold_no_more_than_two_flushes(broker: Broker, tmp_path: Path) -> None:
    topic = new_topic(broker, partitions=6)
    produce(broker, topic, [Raw(m.value, m.key, m.headers, number % 6) for number, m in enumerate(some_quotes(2_400))])
    member = Member(broker, topic, FolderStore(tmp_path), "bounded", flush_records=500, flush_seconds=100)
    eventually(lambda: len(volumes(tmp_path, topic)) > 2_400 - 2 * 500, "the fullest partitions are flushed")
    assert max(manifest.records for manifest in raw_manifests(FolderStore(tmp_path), topic)) <= 400
    member.leave()
    assert volumes(tmp_path, topic) == list(range(2_400))


def test_a_shorter_manifest_of_another_writer_is_adopted(broker: Broker, tmp_path: Path) -> None:
    topic = new_topic(broker, partitions=1)
    store = FailingStore(tmp_path)
    produce(broker, topic, some_quotes(100))
    slow = Member(broker, topic, store, "slow", flush_seconds=3)
    eventually(
        lambda: bool(slow.service._buffers) and slow.service._buffers[0].next == 100, "the slow one has read all"
    )
    land_as_another(broker, tmp_path, topic, records=40)
    eventually(lambda: len(volumes(tmp_path, topic)) == 100, "the slow one goes on after the other's manifest")
    slow.leave()
    assert volumes(tmp_path, topic) == list(range(100))
    assert [m.writer for m in raw_manifests(FolderStore(tmp_path), topic)] == ["other", "slow"]
    assert slow.service.summary.adopted == 1


def test_offsets_deleted_by_retention_are_named(broker: Broker, tmp_path: Path) -> None:
    topic = new_topic(broker, partitions=1)
    produce(broker, topic, some_quotes(100))
    drain(broker, topic, tmp_path)
    produce(broker, topic, some_quotes(100))
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    for deleted in admin.delete_records([TopicPartition(topic, 0, 150)]).values():
        deleted.result()
    with pytest.raises(DataRefused, match=rf"offsets 100 to 149 of {topic} partition 0 are lost"):
        drain(broker, topic, tmp_path)
    assert committed(broker, topic) == {0: 100}


def test_a_new_group_starts_at_the_first_kept_offset(broker: Broker, tmp_path: Path) -> None:
    topic = new_topic(broker, partitions=1)
    produce(broker, topic, some_quotes(100))
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    for deleted in admin.delete_records([TopicPartition(topic, 0, 30)]).values():
        deleted.result()
    assert drain(broker, topic, tmp_path).records == 70


def test_a_topic_made_anew_is_refused(broker: Broker, tmp_path: Path) -> None:
    topic = new_topic(broker, partitions=1)
    produce(broker, topic, some_quotes(100))
    drain(broker, topic, tmp_path)
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    for deleted in admin.delete_topics([topic, f"{topic}.dlq"], operation_timeout=30).values():
        deleted.result()
    eventually(lambda: topic not in admin.list_topics(timeout=5).topics, "the topic is gone")
    broker.create_topics(topic, partitions=1)
    produce(broker, topic, some_quotes(10))
    with pytest.raises(DataRefused, match="made anew"):
        drain(broker, topic, tmp_path)


def program(broker: Broker, topic: str, lake: Path, *flags: str) -> subprocess.Popen[str]:
    command = [program_path("stockpipe-consumer"), "--topic", "realtime", "--kafka-bootstrap-server", broker.bootstrap]
    command += ["--kafka-topic-realtime", topic, "--lake-url", f"file://{lake}"]
    command += ["--kafka-consumer-group-prefix", f"{topic}-", *flags]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_sigterm_finishes_the_open_flush(broker: Broker, tmp_path: Path) -> None:
    topic = new_topic(broker, partitions=2)
    produce(broker, topic, [Raw(m.value, m.key, m.headers, partition=0) for m in some_quotes(500)])
    # 600 later records of partition 1 make a flush due; by then the 500 of partition 0 were read, not flushed.
    with program(broker, topic, tmp_path, "--flush-seconds", "100", "--flush-records", "600") as process:
        eventually(lambda: _assigned(process), "the program has its partitions")
        produce(broker, topic, [Raw(m.value, m.key, m.headers, partition=1) for m in some_quotes(600, first=500)])
        eventually(lambda: volumes(tmp_path, topic) == list(range(500, 1_100)), "partition 1 is landed")
        process.send_signal(signal.SIGTERM)
        output, _errors = process.communicate(timeout=30)
    assert process.returncode == 0
    assert '"records":1100' in output.splitlines()[-1]
    assert volumes(tmp_path, topic) == list(range(1_100))


def _assigned(process: subprocess.Popen[str]) -> bool:
    assert process.stderr is not None
    return any('"assigned"' in line for line in iter(process.stderr.readline, "") if line)


def test_a_broker_that_is_down_is_named_within_seconds(tmp_path: Path) -> None:
    command = [program_path("stockpipe-consumer"), "--topic", "realtime", "--kafka-bootstrap-server", "127.0.0.1:1"]
    done = subprocess.run(
        [*command, "--lake-url", f"file://{tmp_path}"], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 3
    assert "no Kafka broker answers at 127.0.0.1:1" in done.stderr.splitlines()[-1]


def test_a_missing_topic_is_named(broker: Broker, tmp_path: Path) -> None:
    with program(broker, "no-such-topic", tmp_path) as process:
        _output, errors = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "topic no-such-topic, no-such-topic.dlq doesn't exist" in errors.splitlines()[-1]
