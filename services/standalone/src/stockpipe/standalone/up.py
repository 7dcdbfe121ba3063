"""`stockpipe-standalone up`: the whole pipeline, live, until Ctrl-C."""

import contextlib
from datetime import UTC, datetime

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table as RichTable

from stockpipe.common.clock import Clock, SystemClock
from stockpipe.common.contracts.tables import DAILY_STOCK_METRICS, REALTIME_STOCK_ANALYTICS
from stockpipe.common.ids import batch_id, random_suffix
from stockpipe.common.warehouse.reader import open_reader
from stockpipe.standalone.dashboard import start_dashboard
from stockpipe.standalone.interrupt import interruptible
from stockpipe.standalone.pipeline import TOPICS, Pipeline, program, running_pipeline, spark_job
from stockpipe.standalone.processes import ChildProcess
from stockpipe.standalone.run_folder import RunFolder, new_run
from stockpipe.standalone.screen import Screen
from stockpipe.standalone.settings import UpSettings
from stockpipe.standalone.watching import Watcher

REFRESH_SECONDS = 2.0
_NEWEST = """
SELECT symbol, close, close / FIRST_VALUE(open) OVER (PARTITION BY symbol ORDER BY window_start) - 1 AS change,
    vwap_15m, ma_15m, volatility_1h, record_count_15m, last_event_time
FROM {table} QUALIFY ROW_NUMBER() OVER (PARTITION BY symbol ORDER BY window_start DESC, record_count_15m DESC) = 1
ORDER BY symbol
"""


def run_up(settings: UpSettings) -> int:
    """Run the command and return its exit code; Ctrl-C is how it ends, not a failure."""
    clock = SystemClock()
    screen = Screen(Console(), clock)
    folder = new_run("up", clock, random_suffix)
    with contextlib.suppress(KeyboardInterrupt), interruptible(), contextlib.ExitStack() as running:
        with screen.step("starting Kafka") as step:
            pipeline = running.enter_context(running_pipeline(folder, clock))
            step.done = f"Kafka 4.3.1 runs at {pipeline.broker.bootstrap}"
        watcher = Watcher(folder, pipeline.broker)
        running.callback(watcher.close)
        _start_services(settings, pipeline, screen)
        with screen.step("starting the dashboard") as step:
            address = start_dashboard(pipeline, clock, lambda text: screen.console.print(escape(text), soft_wrap=True))
            step.done = f"the dashboard is at {address}/"
        daily = _start_daily(settings, pipeline, watcher, screen, clock)
        _show(folder, pipeline, watcher, daily, address, screen.console, clock)
    screen.console.print(f"Everything is stopped; the results stay in {folder.path}", highlight=False, soft_wrap=True)
    return 0


def _start_services(settings: UpSettings, pipeline: Pipeline, screen: Screen) -> None:
    with screen.step("starting consumers, stream job, loader and producer") as step:
        pipeline.run("loader-migrate", program("loader", "migrate"))
        for kind in ("realtime", "batch"):
            pipeline.start(f"consumer-{kind}", program("consumer", "--topic", kind, "--flush-seconds", "5"))
        pipeline.start("spark-stream", spark_job("spark_stream_processor", "--trigger-seconds", "5"))
        pipeline.start("loader-watch", program("loader", "watch", "--poll-seconds", "2"))
        flags = ["--symbols", ",".join(settings.symbols), "--always-on"]
        flags += ["--fetch-interval-seconds", f"{settings.fetch_interval_seconds:g}"]
        pipeline.start("producer-realtime", program("producer", "realtime", *flags))
        step.done = "consumers, stream job, loader and producer run"


def _start_daily(
    settings: UpSettings, pipeline: Pipeline, watcher: Watcher, screen: Screen, clock: Clock
) -> ChildProcess:
    with screen.step("years of daily bars: source → Kafka → raw lake") as step:
        pipeline.run("producer-batch", program("producer", "batch", "--symbols", ",".join(settings.symbols)))
        while (progress := watcher.landing(TOPICS[1])).landed < progress.in_kafka:
            pipeline.wait()
        step.done = f"{progress.landed:,} real daily bars are in the raw lake"
    now = clock.now()
    flags = ["--batch-id", batch_id(now, "daily"), "--from-date", "1990-01-01", "--to-date", now.date().isoformat()]
    return pipeline.begin("spark-daily", spark_job("spark_batch_processor", *flags))


def _show(
    folder: RunFolder,
    pipeline: Pipeline,
    watcher: Watcher,
    daily: ChildProcess,
    address: str,
    console: Console,
    clock: Clock,
) -> None:
    with Live(console=console, refresh_per_second=4) as live:
        while True:
            if daily.poll() is not None:
                pipeline.finish(daily)
            live.update(_screenful(folder, watcher, address, clock.now()))
            pipeline.wait(REFRESH_SECONDS)


def _screenful(folder: RunFolder, watcher: Watcher, address: str, now: datetime) -> Group:
    quotes = watcher.landing(TOPICS[0])
    waiting = len(watcher.unloaded())
    with open_reader(folder.warehouse) as reader:
        rows = reader.query(_NEWEST.format(table=reader.qualified(REALTIME_STOCK_ANALYTICS))).to_pylist()
        daily = reader.query(f"SELECT COUNT(*) AS n FROM {reader.qualified(DAILY_STOCK_METRICS)}").to_pylist()[0]["n"]
    table = RichTable(title=f"{now:%Y-%m-%d %H:%M:%S} UTC   simulated quotes along real sessions", title_justify="left")
    names = ("symbol", "last", "change", "vwap 15m", "mean 15m", "deviation 1h", "quotes 15m", "age")
    for name in names:
        table.add_column(name, justify="left" if name == "symbol" else "right")
    for row in rows:
        age = (now - row["last_event_time"].replace(tzinfo=UTC)).total_seconds()
        deviation = row["volatility_1h"]
        color = "green" if row["change"] >= 0 else "red"
        table.add_row(
            row["symbol"],
            f"{row['close']:,.2f}",
            f"[{color}]{row['change']:+.2%}[/]",
            f"{row['vwap_15m']:,.2f}" if row["vwap_15m"] else "-",
            f"{row['ma_15m']:,.2f}",
            "-" if deviation is None else f"{deviation:,.3f}",
            str(row["record_count_15m"]),
            f"{age:.0f} s",
        )
    status = (
        f"{quotes.in_kafka:,} quotes in Kafka, {quotes.landed:,} in the lake; {daily:,} daily rows in the warehouse; "
        f"{waiting} batches not yet loaded"
    )
    return Group(table, status, f"dashboard: {address}/", f"logs: {folder.path / 'logs'}   Ctrl-C stops everything")
