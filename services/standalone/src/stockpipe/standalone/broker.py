"""A real Apache Kafka in KRaft mode, one node, on free ports of the loopback interface."""

import contextlib
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from stockpipe.common.contracts.topics import dlq_topic
from stockpipe.common.errors import Unavailable
from stockpipe.standalone import paths
from stockpipe.standalone.jars import class_path
from stockpipe.standalone.java import find_java
from stockpipe.standalone.ports import free_ports
from stockpipe.standalone.processes import ChildProcess

START_SECONDS = 60.0

_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
log.dirs={data}
num.partitions=6
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
"""


class Broker:
    """A broker on its own data; `bootstrap` is the address that clients are given."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path, port: int) -> None:
        self.bootstrap = f"127.0.0.1:{port}"
        self._start: Callable[[], ChildProcess] = partial(ChildProcess, "kafka", command, environment, log)
        self.process = self._start()

    def restart(self) -> None:
        """Start the broker again after its process has ended, on the same port and data.

        Raises:
            Unavailable: it doesn't answer in time.
        """
        self.process.close()
        self.process = self._start()
        self.await_answer()

    def await_answer(self) -> None:
        """Wait until the broker answers.

        Raises:
            Unavailable: it ended or doesn't answer in time.
        """
        admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        deadline = time.monotonic() + START_SECONDS
        while True:
            if self.process.poll() is not None:
                log = self.process.log
                raise Unavailable(f"Kafka ended at once; {log} ends with: {self.process.last_lines(3)}")
            try:
                admin.list_topics(timeout=1.0)
                return
            except KafkaException as error:
                if time.monotonic() > deadline:
                    raise Unavailable(
                        f"Kafka doesn't answer within {START_SECONDS:.0f} s; see {self.process.log}"
                    ) from error

    def create_topics(self, *names: str, partitions: int = 6) -> None:
        """Create each topic and its DLQ.

        A topic's records carry the time at which the broker appended them, the judge of "future" in
        `stockpipe.common.contracts.decode`; a DLQ record keeps the time of the record it stands for.
        """
        admin = AdminClient({"bootstrap.servers": self.bootstrap})
        new = [
            NewTopic(name, num_partitions=partitions, config={"message.timestamp.type": "LogAppendTime"})
            for name in names
        ]
        new += [NewTopic(dlq_topic(name), num_partitions=partitions) for name in names]
        for created in admin.create_topics(new, operation_timeout=START_SECONDS).values():
            created.result()


@contextlib.contextmanager
def running_broker(folder: Path, environment: Mapping[str, str] | None = None) -> Iterator[Broker]:
    """Start a broker with its data in `folder`, wait until it answers, and stop it at the end.

    Raises:
        Unavailable: the broker ended or didn't answer in time.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port, controller = free_ports(2)
    properties = folder / "server.properties"
    properties.write_text(_PROPERTIES.format(port=port, controller=controller, data=folder / "data"))
    java = [str(find_java() / "bin/java"), "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]
    java += ["-cp", class_path(paths.KAFKA_JARS)]
    storage = [*java, "kafka.tools.StorageTool"]
    identity = subprocess.run([*storage, "random-uuid"], capture_output=True, text=True, check=True).stdout.split()[-1]
    subprocess.run([*storage, "format", "-t", identity, "-c", str(properties)], capture_output=True, check=True)
    command = [*java, "-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "kafka.Kafka", str(properties)]
    broker = Broker(command, environment or {}, folder / "kafka.log", port)
    try:
        broker.await_answer()
        yield broker
    finally:
        broker.process.close(grace_seconds=10.0)
