"""The pipeline's programs as processes, the same as in the cluster."""

import contextlib
import shutil
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stockpipe.common.clock import Clock
from stockpipe.common.errors import PipelineError
from stockpipe.standalone import paths
from stockpipe.standalone.broker import Broker, running_broker
from stockpipe.standalone.jars import class_path
from stockpipe.standalone.java import find_java
from stockpipe.standalone.processes import ChildProcess
from stockpipe.standalone.run_folder import RunFolder

TOPICS = ("stock-market-realtime", "stock-market-batch", "stock-market-actions")
WAIT_SECONDS = 0.2
STOP_SECONDS = 10.0
"""How long all programs together may take to stop in order."""
LEAST_SECONDS = 10.0
"""A program that ended sooner after its start would only end again."""
RUN_VARIABLE = "STOCKPIPE_RUN"
"""Marks every process of a run in its environment."""


@dataclass
class _Kept:
    """A program that is started again when it ends."""

    process: ChildProcess
    command: Sequence[str]
    since: float
    tell: Callable[[str], None]


class Pipeline:
    """A running broker and the programs started on it."""

    def __init__(self, folder: RunFolder, broker: Broker, clock: Clock) -> None:
        self.folder = folder
        self.broker = broker
        self._clock = clock
        self._services: list[ChildProcess] = []
        self._kept: list[_Kept] = []
        self._open: list[ChildProcess] = []
        self._environment = self._make_environment()

    def start(self, name: str, command: Sequence[str]) -> ChildProcess:
        """Start a program that runs until it is stopped; its end before that is an error."""
        process = self._spawn(name, command)
        self._services.append(process)
        return process

    def keep(self, name: str, command: Sequence[str], tell: Callable[[str], None]) -> ChildProcess:
        """Start a program that holds no state: when it ends it is started again, and `tell` is told.

        Its end within seconds of its start is an error, as the end of any other service is.
        """
        process = self._spawn(name, command)
        self._kept.append(_Kept(process, command, self._clock.monotonic(), tell))
        return process

    def begin(self, name: str, command: Sequence[str]) -> ChildProcess:
        """Start a program that ends by itself; `finish` waits for it."""
        return self._spawn(name, command)

    def finish(self, process: ChildProcess, accepted: Sequence[int] = (0,)) -> str:
        """Wait for a program's end and return its log.

        Raises:
            PipelineError: it ended with another exit code than those accepted.
        """
        while process.poll() is None:
            self.check_services()
            process.wait(WAIT_SECONDS)
        if process.poll() not in accepted:
            raise PipelineError(_ended(process))
        return process.log.read_text(errors="replace")

    def run(self, name: str, command: Sequence[str], accepted: Sequence[int] = (0,)) -> str:
        """Run a program to its end and return its log; see `finish`."""
        return self.finish(self.begin(name, command), accepted)

    def stop(self, process: ChildProcess) -> None:
        """Stop a service in order and wait for its end.

        Raises:
            PipelineError: it had ended before, or doesn't end in order.
        """
        self.check_services()
        self._services.remove(process)
        process.ask_to_stop()
        if process.wait(60.0) != 0:
            raise PipelineError(_ended(process))

    def check_services(self) -> None:
        """Raise if a service has ended; start one again that is kept.

        Raises:
            PipelineError: names the program, its exit code and its last words.
        """
        for process in (self.broker.process, *self._services):
            if process.poll() is not None:
                raise PipelineError(_ended(process))
        for kept in self._kept:
            if kept.process.poll() is not None:
                self._start_again(kept)

    def wait(self, seconds: float = WAIT_SECONDS) -> None:
        """Wait a moment, with an eye on the services."""
        self.check_services()
        self._clock.wait(seconds, threading.Event())

    def close(self) -> None:
        """Stop everything that still runs, services before others."""
        for process in self._open:
            process.ask_to_stop()
        deadline = self._clock.monotonic() + STOP_SECONDS
        for process in self._open:
            process.close(grace_seconds=deadline - self._clock.monotonic())

    def _start_again(self, kept: _Kept) -> None:
        ended, now = kept.process, self._clock.monotonic()
        if now - kept.since < LEAST_SECONDS:
            raise PipelineError(_ended(ended))
        kept.tell(f"{ended.name} ended with exit code {ended.poll()} and is started again; see {ended.log}")
        self._open.remove(ended)
        ended.close()
        kept.process, kept.since = self._spawn(ended.name, kept.command), now

    def _spawn(self, name: str, command: Sequence[str]) -> ChildProcess:
        process = ChildProcess(name, command, self._environment, self.folder.log(name))
        self._open.append(process)
        return process

    def _make_environment(self) -> Mapping[str, str]:
        return {
            RUN_VARIABLE: self.folder.path.name,
            "KAFKA_BOOTSTRAP_SERVER": self.broker.bootstrap,
            "KAFKA_SECURITY_PROTOCOL": "PLAINTEXT",
            "KAFKA_TOPIC_REALTIME": TOPICS[0],
            "KAFKA_TOPIC_BATCH": TOPICS[1],
            "KAFKA_TOPIC_ACTIONS": TOPICS[2],
            "LAKE_URL": self.folder.lake_url,
            "WAREHOUSE_URL": self.folder.warehouse_url,
            "JAVA_HOME": str(find_java()),
            "PYSPARK_PYTHON": sys.executable,
            "SPARK_EXTRA_CLASS_PATH": class_path(paths.SPARK_JARS),
            "SPARK_MASTER": "local[2]",
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_LOCAL_DIRS": str(self.folder.scratch),
        }


def program(name: str, *flags: str) -> list[str]:
    """Return the command line of one of the pipeline's programs."""
    return [str(Path(sys.executable).parent / f"stockpipe-{name}"), *flags]


def spark_job(name: str, *flags: str) -> list[str]:
    """Return the command line of one of the Spark jobs."""
    return [sys.executable, "-m", f"stockpipe.spark.jobs.{name}", *flags]


@contextlib.contextmanager
def running_pipeline(folder: RunFolder, clock: Clock) -> Iterator[Pipeline]:
    """Start the broker with its topics; at the end stop every program, and remove what only the run needed.

    Raises:
        Unavailable: Kafka doesn't start.
    """
    try:
        with running_broker(folder.kafka, {RUN_VARIABLE: folder.path.name}) as broker:
            broker.create_topics(*TOPICS)
            pipeline = Pipeline(folder, broker, clock)
            try:
                yield pipeline
            finally:
                pipeline.close()
    finally:
        shutil.rmtree(folder.kafka / "data", ignore_errors=True)
        shutil.rmtree(folder.scratch, ignore_errors=True)


def _ended(process: ChildProcess) -> str:
    return f"{process.name} ended with exit code {process.poll()}; {process.log} ends with:\n{process.last_lines()}"
