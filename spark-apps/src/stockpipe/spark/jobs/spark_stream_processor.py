"""`python -m stockpipe.spark.jobs.spark_stream_processor`: quotes in Kafka to realtime windows, until told to stop."""

import signal

from prometheus_client import CollectorRegistry

from stockpipe.common.cli import Command, run_program
from stockpipe.common.clock import SystemClock
from stockpipe.common.health import WatchedClock
from stockpipe.common.kafka import group_reader, require_topics
from stockpipe.common.lake.open import open_lake
from stockpipe.common.logs import configure_logs
from stockpipe.common.metrics import SparkMetrics
from stockpipe.common.service import serve_metrics, stop_on_signals
from stockpipe.spark.io.session import open_session
from stockpipe.spark.jobs.stream_run import Stream
from stockpipe.spark.jobs.summary import print_summary
from stockpipe.spark.settings import StreamSettings

JOB = "spark_stream_processor"


def run(settings: StreamSettings) -> int:
    """Run the command."""
    log = configure_logs(JOB, settings.log_level)
    clock = WatchedClock(SystemClock(), settings.stall_seconds)
    started = clock.monotonic()
    stop = stop_on_signals()
    on_interrupt = signal.getsignal(signal.SIGINT)
    store = open_lake(settings)
    probe = group_reader(settings, JOB)
    require_topics(probe, settings, settings.kafka_topic_realtime)
    probe.close()
    registry = CollectorRegistry()
    metrics = SparkMetrics(registry)
    serve_metrics(registry, settings.metrics_port, clock)
    spark = open_session(JOB, settings)
    # Spark's own handler would kill the jobs of the micro-batch that runs.
    signal.signal(signal.SIGINT, on_interrupt)
    summary = Stream(JOB, settings, store, metrics, log, stop, clock.alive).run(spark)
    spark.stop()
    print_summary(summary | {"seconds": round(clock.monotonic() - started, 3)})
    return 0


if __name__ == "__main__":
    run_program(JOB, {"": Command(StreamSettings, run)})
