"""The consumer's process killed in the midst of a drain and started again, against a drain undisturbed."""

import random
import shutil
import signal
import time
from collections.abc import Mapping

from benchmarks.harness import Bench, Result, Run, paired, times
from benchmarks.kafka_paths import check_landed, topic_of
from benchmarks.quotes import Filled, unique
from stockpipe.common.lake.folder import FolderStore
from stockpipe.common.lake.manifests import raw_manifests
from stockpipe.standalone.pipeline import program
from stockpipe.standalone.processes import ChildProcess

SEED = 1
END_SECONDS = 300.0
KILLED = (0.2, 0.9)
"""Within which part of the undisturbed drain's time the process is killed."""


class _Drain:
    """A drain of the topic into a lake and by a group of its own. The member keeps its name, as a pod does."""

    def __init__(self, bench: Bench, filled: Filled) -> None:
        group = unique("recovery")
        self.folder = bench.folder / group
        self.folder.mkdir()
        self.store = FolderStore(self.folder / "lake")
        self._filled = filled
        flags = ["--topic", "realtime", "--drain", "--kafka-bootstrap-server", bench.broker.bootstrap]
        flags += ["--kafka-topic-realtime", filled.topic, "--kafka-consumer-group-prefix", f"{group}-"]
        self._command = program("consumer", *flags, "--kafka-group-instance-id", group, "--metrics-port", "0")
        self._environment: Mapping[str, str] = {"LAKE_URL": self.store.url}

    def run(self, seconds: float) -> int | None:
        """Run the consumer for so long and return its exit code; kill it if it isn't done."""
        process = ChildProcess("consumer", self._command, self._environment, self.folder / "log")
        try:
            code = process.wait(seconds)
            process.send(signal.SIGKILL)
        finally:
            process.close()
        assert code in (0, None), process.last_lines()
        return code

    def check(self) -> int:
        """Check that each record is there once, remove all, and return how many objects no manifest lists."""
        check_landed(self.store, self._filled)
        listed = {entry.key for manifest in raw_manifests(self.store, self._filled.topic) for entry in manifest.objects}
        orphans = {info.key for info in self.store.list("raw/realtime/")} - listed
        shutil.rmtree(self.folder)
        return len(orphans)


def recovery(bench: Bench) -> list[Result]:
    """The time of a drain that is killed once, at a random moment, over the time of one that isn't."""
    filled = topic_of(bench)
    rng = random.Random(SEED)  # one seed, the same shares in each run
    whole: list[float] = []
    orphans: list[int] = []
    shares: list[float] = []

    def undisturbed() -> Run:
        drain = _Drain(bench, filled)
        began = time.perf_counter()
        assert drain.run(END_SECONDS) == 0
        whole.append(time.perf_counter() - began)
        assert drain.check() == 0
        return Run(filled.count, whole[-1])

    def killed() -> Run:
        share = rng.uniform(*KILLED)
        # A drain that was quicker than the last one is done before it could be killed.
        while True:
            drain = _Drain(bench, filled)
            began = time.perf_counter()
            if drain.run(share * whole[-1]) is None:
                break
            drain.check()
            share *= 0.8
        assert drain.run(END_SECONDS) == 0
        seconds = time.perf_counter() - began
        shares.append(round(share, 2))
        orphans.append(drain.check())
        return Run(filled.count, seconds)

    runs = paired({"undisturbed": undisturbed, "killed": killed}, bench.rounds)
    says = "a drain by the consumer's process, killed once and started again / undisturbed, start of Python included"
    notes = {
        "killed after": f"{shares[1:]} of the undisturbed time, seed {SEED}",
        "lost, twice": "0, 0",
        "orphan objects": orphans[1:],
    }
    return [Result("recovery", says, times(runs, "killed", "undisturbed"), raw=runs, notes=notes)]
