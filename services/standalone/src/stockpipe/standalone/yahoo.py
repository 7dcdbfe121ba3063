"""The demo on what Yahoo says now: what is different from the demo on the sample."""

import subprocess
from datetime import timedelta

from stockpipe.common.calendar import trailing_session
from stockpipe.common.errors import PartialFailure, PipelineError, Unavailable
from stockpipe.common.lake.folder import FolderStore
from stockpipe.common.lake.manifests import raw_manifests
from stockpipe.standalone.demo import DemoRun, summary
from stockpipe.standalone.pipeline import TOPICS, program
from stockpipe.standalone.run_folder import RunFolder
from stockpipe.standalone.watching import Watcher

YEARS = 5
QUOTE_SECONDS = 20.0
CHECK_SECONDS = 60.0
SOURCE_FLAGS = ("--sources", "yahoo")


def require_yahoo(folder: RunFolder) -> None:
    """Ask Yahoo for one bar before anything is started.

    Raises:
        Unavailable: it doesn't answer; says why and what works without a network.
    """
    command = program("producer", "check", *SOURCE_FLAGS, "--symbols", "AAPL", "--lake-url", folder.lake_url)
    try:
        done = subprocess.run(
            [*command, "--yahoo-cache-folder", str(folder.scratch / "yahoo")],
            capture_output=True,
            text=True,
            timeout=CHECK_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Unavailable(f"Yahoo doesn't answer within {CHECK_SECONDS:.0f} s; {_REMEDY}") from None
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1].partition("error: ")[2].partition("; check the network")[0]
        raise Unavailable(f"{reason}; {_REMEDY}")


_REMEDY = "check the network and its proxy, or run `make demo`, which needs none"


class YahooDemoRun(DemoRun):
    """Years of bars, splits and dividends, and the quotes of this moment."""

    symbols = ("AAPL", "GOOG", "IBM", "META", "MSFT")

    @property
    def traced(self) -> str:
        return trailing_session("XNYS", self._clock.now().date(), 2).isoformat()

    def _send_bars(self) -> None:
        with self._screen.step(f"Yahoo → Kafka: {YEARS} years of daily bars") as step:
            first = self._clock.now().date() - timedelta(days=365 * YEARS)
            command = program(
                "producer", "batch", *SOURCE_FLAGS, "--symbols", self._symbols, "--from", first.isoformat()
            )
            log = self._pipeline.run("producer-batch", command, accepted=(0, PartialFailure.exit_code))
            sent = summary(log)
            step.done = f"Yahoo → Kafka: {sent['records']:,} daily bars and {sent['actions']:,} splits and dividends"

    def _land_bars(self) -> None:
        super()._land_bars()
        with self._screen.step("splits and dividends: Kafka → raw lake") as step:
            command = program("consumer", "--topic", "actions", "--drain")
            landed = summary(self._pipeline.run("consumer-actions", command))
            step.done = f"Kafka → raw lake: {landed['records']:,} splits and dividends"

    def _send_quotes(self) -> None:
        with self._screen.step(f"Yahoo → Kafka: quotes, for {QUOTE_SECONDS:.0f} s") as step:
            command = program("producer", "realtime", *SOURCE_FLAGS, "--symbols", self._symbols)
            flags = ["--always-on", "--fetch-interval-seconds", "5"]
            producer = self._pipeline.start("producer-realtime", [*command, *flags])
            self._pipeline.wait(QUOTE_SECONDS)
            self._pipeline.stop(producer)
            step.done = "Yahoo → Kafka: each symbol's last trade, and those that followed"

    def _await_landed(self, watcher: Watcher) -> int:
        landed = super()._await_landed(watcher)
        times = [
            manifest.min_event_time
            for manifest in raw_manifests(FolderStore(self._folder.path / "lake"), TOPICS[0])
            if manifest.min_event_time
        ]
        if not times:
            raise PipelineError(f"Yahoo gave no quote; see {self._folder.log('producer-realtime')}")
        self._day = min(times)[:10]
        return landed
