"""The benchmarks by name."""

from collections.abc import Callable

from benchmarks import (
    codec,
    commits,
    freshness,
    growth,
    kafka_paths,
    others,
    recovery,
    settings_traps,
    sinks,
    spark,
    warehouse,
)
from benchmarks.harness import Bench, Result

BENCHMARKS: dict[str, Callable[[Bench], list[Result]]] = {
    "codec": codec.codec,
    "producer": kafka_paths.produce,
    "consumer": kafka_paths.consume,
    "config-trap": settings_traps.traps,
    "commit-cost": commits.cost,
    "sinks": sinks.sinks,
    "recovery": recovery.recovery,
    "peers": others.peers,
    "loader": warehouse.load,
    "spark-daily": spark.daily,
    "spark-windows": spark.windows,
    "growth": growth.growth,
    "memory": growth.memory,
    "freshness": freshness.freshness,
}
QUICK = ("codec", "producer", "consumer", "peers")
"""What CI runs. Of few rows the loader and Spark cost what their start costs, which says nothing about more rows."""
