"""How time and memory grow with rows, symbols and files."""

import math
import os
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from benchmarks.harness import Bench, Result, Stopwatch, Target
from benchmarks.kafka_paths import land, topic_of
from benchmarks.quotes import fill, unique
from benchmarks.spark import BATCH, LAST_DAY, NOW, Jobs, session, write_bars
from benchmarks.warehouse import write_daily
from stockpipe.common.lake.folder import FolderStore
from stockpipe.spark.io.raw import RawInput, select_raw
from stockpipe.spark.jobs.spark_batch_processor import DailyJob
from stockpipe.standalone import paths
from stockpipe.standalone.jars import class_path
from stockpipe.standalone.java import find_java
from stockpipe.standalone.pipeline import program, spark_job
from support.loading import Site
from support.raw_lake import BARS, land_bars
from support.records import bar

PASSES = 3


def _exponent(points: Mapping[int, float]) -> float:
    """Return b of seconds = a * size**b, fitted to the logarithms."""
    sizes, seconds = [math.log(size) for size in points], [math.log(value) for value in points.values()]
    return statistics.linear_regression(sizes, seconds).slope


def _curve(name: str, says: str, sizes: Sequence[int], prepare: Callable[[int], Callable[[], float]]) -> Result:
    points = {}
    for size in sizes:
        side = prepare(size)
        side()
        points[size] = statistics.median(side() for _ in range(PASSES))
    told = {f"{size:,}": f"{seconds:.3f} s" for size, seconds in points.items()}
    return Result(
        name, f"exponent of the seconds of {says}", [_exponent(points)], Target(1.1, 1.0, at_most=True), notes=told
    )


def growth(bench: Bench) -> list[Result]:
    """Exponents of time: 1 is in proportion, below 1 a start that outweighs the rows."""
    folder = bench.folder

    def consumer(count: int) -> Callable[[], float]:
        filled = fill(bench.broker, f"grow{count}", count)

        def side() -> float:
            lake = folder / unique("lake")
            seconds = land(bench.broker, filled, FolderStore(lake)).seconds
            shutil.rmtree(lake)
            return seconds

        return side

    def loader(symbols: int, sessions: int) -> Callable[[], float]:
        site = Site(folder / unique("load"))
        manifest = write_daily(site, "20240514T120000Z-first", symbols, sessions)

        def side() -> float:
            other = Site(site.folder, f"{unique('w')}.duckdb")
            other.migrate()
            watch = Stopwatch()
            other.load(manifest)
            seconds = watch.run(manifest.rows_out).seconds
            for file in other.folder.glob(f"{other.database.stem}*"):
                file.unlink()
            return seconds

        return side

    spark, _ = session(bench)

    def daily(symbols: int, sessions: int) -> Callable[[], float]:
        jobs = Jobs(bench, spark, unique("bars"))
        raw = write_bars(jobs.store, symbols, sessions)
        job = DailyJob(LAST_DAY, date(1990, 1, 1), LAST_DAY, NOW, RawInput({}, 0, ()))
        return lambda: jobs.run(job, raw, "daily", lambda _outcome: None).seconds

    def listing(count: int) -> Callable[[], float]:
        store = FolderStore(folder / unique("manifests"))
        for number in range(count):
            land_bars(store, [bar(symbol=f"S{number % 50}")], start=number)

        def side() -> float:
            watch = Stopwatch()
            assert select_raw(store, BARS).objects == count
            return watch.run(count).seconds

        return side

    return [
        _curve("consumer by rows", "a drain", [10_000, 100_000, 1_000_000], consumer),
        _curve("loader by rows", "a first load, 200 files", [5_000, 50_000, 500_000], lambda n: loader(200, n // 200)),
        _curve("loader by files", "a first load of 50,000 rows by files", [50, 500], lambda n: loader(n, 50_000 // n)),
        _curve("daily by rows", "the daily job, 200 symbols", [5_000, 50_000, 500_000], lambda n: daily(200, n // 200)),
        _curve("daily by symbols", "the daily job, 250 sessions each, by symbols", [20, 200], lambda n: daily(n, 250)),
        _curve("lake by manifests", "finding what to read, by raw manifests", [50, 500, 5_000], listing),
    ]


# Memory


def _peak(pid: int, most: dict[int, float]) -> None:
    """Note the highest resident memory, in MiB, of the process and its descendants."""
    for line in subprocess.run(
        ["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True
    ).stdout.splitlines():
        child, parent = map(int, line.split())
        if parent in most or child == pid:
            most.setdefault(child, 0.0)
    for each, before in most.items():
        try:
            status = Path(f"/proc/{each}/status").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        now = [int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM")]
        most[each] = max([before, *now])


def peak_of(command: Sequence[str], environment: Mapping[str, str]) -> tuple[float, float]:
    """Run the command and return the sum of the highest resident memory of its processes in MiB, and its seconds."""
    began = time.monotonic()
    most: dict[int, float] = {}
    quiet: Any = subprocess.DEVNULL
    with subprocess.Popen(command, env={**os.environ, **environment}, stdout=quiet, stderr=quiet) as process:
        most[process.pid] = 0.0
        while process.poll() is None:
            _peak(process.pid, most)
            threading.Event().wait(0.1)
    assert process.returncode == 0, command
    return sum(most.values()), time.monotonic() - began


def memory(bench: Bench) -> list[Result]:
    """The consumer's memory at full speed, and the daily job's with ten times the history."""
    filled = topic_of(bench)
    lake = bench.folder / "memory-lake"
    flags = ["--topic", "realtime", "--drain", "--kafka-bootstrap-server", bench.broker.bootstrap]
    flags += ["--kafka-topic-realtime", filled.topic, "--kafka-consumer-group-prefix", unique("memory")]
    resident, seconds = peak_of(program("consumer", *flags), {"LAKE_URL": f"file://{lake}"})
    shutil.rmtree(lake)
    says = "highest resident memory of the consumer at full speed / 512 MiB"
    notes: dict[str, Any] = {"MiB": round(resident), "records": filled.count, "seconds": round(seconds, 1)}
    results = [Result("memory-consumer", says, [resident / 512], Target(1.0, 0.5, at_most=True), notes=notes)]
    environment = {
        "JAVA_HOME": str(find_java()),
        "PYSPARK_PYTHON": sys.executable,
        "SPARK_EXTRA_CLASS_PATH": class_path(paths.SPARK_JARS),
        "SPARK_MASTER": "local[2]",
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_LOCAL_DIRS": str(bench.folder / "spark"),
    }
    peaks = {}
    for sessions in (250, 2_500):
        store = FolderStore(bench.folder / f"memory-{sessions}")
        raw = write_bars(store, 100, sessions)
        days = ["--from-date", "1990-01-01", "--to-date", LAST_DAY.isoformat(), "--run-date", LAST_DAY.isoformat()]
        command = spark_job("spark_batch_processor", "--batch-id", BATCH, *days)
        peaks[raw.rows], _ = peak_of(command, {**environment, "LAKE_URL": store.url})
    small, large = peaks.values()
    says = "highest resident memory of the daily job with ten times the sessions / of it"
    told = {f"{rows:,} rows": f"{peak:.0f} MiB" for rows, peak in peaks.items()}
    return [*results, Result("memory-daily", says, [large / small], Target(1.5, 1.1, at_most=True), notes=told)]
