"""`stockpipe-standalone demo`: the whole pipeline once, from the source to balanced books."""

import contextlib
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from rich.console import Console

from stockpipe.common.clock import SystemClock
from stockpipe.common.errors import PipelineError
from stockpipe.common.ids import batch_id, random_suffix
from stockpipe.common.lake.folder import FolderStore
from stockpipe.standalone import paths
from stockpipe.standalone.interrupt import interruptible
from stockpipe.standalone.latency import percentile, quote_latencies
from stockpipe.standalone.parity import compare_windows
from stockpipe.standalone.pipeline import TOPICS, Pipeline, program, running_pipeline, spark_job
from stockpipe.standalone.run_folder import RunFolder, new_run
from stockpipe.standalone.samples import sample_tables
from stockpipe.standalone.screen import Screen
from stockpipe.standalone.settings import DemoSettings
from stockpipe.standalone.watching import Watcher

SESSION = timedelta(hours=6, minutes=30)


def run_demo(settings: DemoSettings, run: "type[DemoRun]", require: Callable[[RunFolder], None]) -> int:
    """Run the demo, after `require` has found what it needs, and return its exit code."""
    clock = SystemClock()
    console = Console()
    screen = Screen(console if console.is_terminal else Console(width=120), clock)
    folder = new_run("demo", clock, random_suffix)
    require(folder)
    began = clock.monotonic()
    screen.console.print(f"The whole pipeline once, in [bold]{_shown(folder)}[/]", highlight=False)
    with interruptible(), contextlib.ExitStack() as running:
        with screen.step("starting Kafka") as step:
            pipeline = running.enter_context(running_pipeline(folder, clock))
            step.done = f"Kafka 4.3.1 runs at {pipeline.broker.bootstrap}"
        demo = run(settings, folder, pipeline, screen)
        code = demo.run()
        with screen.step("stopping") as step:
            running.close()
            step.done = "everything is stopped"
    _print_next(screen.console, folder, clock.monotonic() - began, demo.traced)
    return code


class DemoRun:
    """The steps between the broker's start and its end."""

    symbols: tuple[str, ...] = ("AAPL", "FB", "GOOG", "IBM", "MSFT")

    def __init__(self, settings: DemoSettings, folder: RunFolder, pipeline: Pipeline, screen: Screen) -> None:
        self._settings = settings
        self._folder = folder
        self._pipeline = pipeline
        self._screen = screen
        self._clock = SystemClock()
        self._symbols = ",".join(settings.symbols or self.symbols)
        self._day = settings.session_date.isoformat()

    @property
    def traced(self) -> str:
        """Return a session whose daily row is there to be traced."""
        return "2012-09-19"

    def run(self) -> int:
        pipeline, screen = self._pipeline, self._screen
        pipeline.run("loader-migrate", program("loader", "migrate"))
        realtime = pipeline.start(
            "consumer-realtime", program("consumer", "--topic", "realtime", "--flush-seconds", "2")
        )
        loader = pipeline.start("loader-watch", program("loader", "watch", "--poll-seconds", "1"))
        stream = pipeline.start("spark-stream", spark_job("spark_stream_processor", "--trigger-seconds", "2"))
        watcher = Watcher(self._folder, pipeline.broker)
        try:
            self._send_bars()
            self._land_bars()
            with screen.step("bars: raw lake → daily metrics (Spark)") as step:
                made = summary(pipeline.run("spark-daily", spark_job("spark_batch_processor", *self._daily_flags())))
                step.done = f"raw lake → daily metrics: {made['rows_in']:,} bars in, {made['rows_out']:,} rows out"
            while not watcher.stream_runs():
                pipeline.wait()
            self._send_quotes()
            with screen.step("quotes: Kafka → raw lake") as step:
                quotes = self._await_landed(watcher)
                step.done = f"Kafka → raw lake: {quotes:,} quotes, each listed by a manifest"
            with screen.step("quotes: the stream job computes windows") as step:
                while (streamed := watcher.streamed()) < quotes:
                    step.show(f"quotes: the stream job has read {streamed:,} of {quotes:,}")
                    pipeline.wait()
                step.done = f"Kafka → windows: the stream job has read {quotes:,} quotes"
            pipeline.stop(stream)
            pipeline.stop(realtime)
            with screen.step("quotes: raw lake → the same windows, as a batch (Spark)") as step:
                made = summary(pipeline.run("spark-stream-batch", self._stream_batch()))
                counts = f"{made['rows_in']:,} quotes in, {made['rows_out']:,} rows out"
                step.done = f"raw lake → the same windows, as a batch: {counts}"
            with screen.step("processed lake → warehouse (DuckDB)") as step:
                while left := watcher.unloaded():
                    step.show(f"processed lake → warehouse (DuckDB): {len(left)} batches left")
                    pipeline.wait()
                step.done = "processed lake → warehouse (DuckDB): every batch is loaded"
            pipeline.stop(loader)
        finally:
            watcher.close()
        return self._report()

    def _send_bars(self) -> None:
        with self._screen.step("source → Kafka: daily bars") as step:
            command = program("producer", "batch", "--symbols", self._symbols)
            sent = summary(self._pipeline.run("producer-batch", command))
            step.done = f"source → Kafka: {sent['records']:,} real daily bars of {len(sent['symbols'])} symbols"

    def _land_bars(self) -> None:
        with self._screen.step("bars: Kafka → raw lake") as step:
            landed = summary(self._pipeline.run("consumer-batch", program("consumer", "--topic", "batch", "--drain")))
            step.done = f"Kafka → raw lake: {landed['records']:,} bars in {landed['objects']} objects"

    def _send_quotes(self) -> None:
        speed = SESSION.total_seconds() / self._settings.replay_seconds
        with self._screen.step(f"source → Kafka: the session of {self._day}, {speed:,.0f} times its pace") as step:
            command = program("producer", "realtime", "--symbols", self._symbols, "--session-date", self._day)
            sent = summary(self._pipeline.run("producer-realtime", [*command, "--speed", str(speed)]))
            step.done = (
                f"source → Kafka: {sent['records']:,} quotes of the session {self._day}, simulated along real bars"
            )

    def _await_landed(self, watcher: Watcher) -> int:
        while True:
            progress = watcher.landing(TOPICS[0])
            if progress.landed >= progress.in_kafka:
                return progress.landed
            self._pipeline.wait()

    def _daily_flags(self) -> list[str]:
        identity = batch_id(self._clock.now(), "daily")
        return ["--batch-id", identity, "--from-date", "1990-01-01", "--to-date", self._clock.now().date().isoformat()]

    def _stream_batch(self) -> list[str]:
        identity = batch_id(self._clock.now(), "windows")
        flags = ["--batch-id", identity, "--from-date", self._day, "--to-date", self._day, "--slide-minutes", "15"]
        return spark_job("spark_stream_batch_processor", *flags)

    def _report(self) -> int:
        console = self._screen.console
        with self._screen.step("checking the books") as step:
            process = self._pipeline.begin("auditor", program("auditor", "books"))
            report = self._pipeline.finish(process, accepted=(0, PipelineError.exit_code))
            code = process.poll() or 0
            step.done = "the books are checked: every raw object read, every processed row compared with the warehouse"
        console.print()
        console.print(report.rstrip(), highlight=False, markup=False, soft_wrap=True)
        console.print()
        parity = compare_windows(FolderStore(self._folder.path / "lake"))
        console.print(
            f"Batch and stream: {parity.windows:,} windows compared, {parity.different:,} differ.", highlight=False
        )
        latencies = quote_latencies(self._folder, TOPICS[0])
        console.print(
            f"End to end, from a quote's fetch to its row in the warehouse: p50 {percentile(latencies, 0.5):.1f} s, "
            f"p95 {percentile(latencies, 0.95):.1f} s, of {len(latencies):,} quotes.",
            highlight=False,
            soft_wrap=True,
        )
        for table in sample_tables(self._folder):
            console.print()
            console.print(table)
        console.print()
        return code or (PipelineError.exit_code if parity.different else 0)


def summary(log: str) -> dict[str, Any]:
    """Return the JSON summary that a program prints as its last line."""
    found: dict[str, Any] = json.loads(log.strip().splitlines()[-1])
    return found


def _shown(folder: RunFolder) -> str:
    return str(folder.path.relative_to(paths.ROOT))


def _print_next(console: Console, folder: RunFolder, seconds: float, traced: str) -> None:
    urls = f"LAKE_URL={folder.lake_url} WAREHOUSE_URL={folder.warehouse_url}"
    console.print(f"Done in {seconds:.0f} s. What to try next:", highlight=False)
    for line in (
        "make up                      the same, live, until Ctrl-C",
        "docs/architecture.md         how it works; docs/guarantees.md: what if it dies here",
        f"{_shown(folder)}/lake   the data lake; logs/ beside it",
        "Where does a number come from?",
        f"  {urls} \\",
        f"  .venv/bin/stockpipe-auditor trace --symbol AAPL --date {traced}",
    ):
        console.print(f"  {line}", highlight=False, soft_wrap=True, markup=False)
