"""What the programs export, read from the typed registry itself."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

from stockpipe.common import metrics

_SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}


@dataclass(frozen=True)
class Metric:
    """One metric: `name` is what Prometheus stores, for a histogram without its suffixes."""

    program: str
    name: str
    type: str
    labels: tuple[str, ...]
    help: str

    @property
    def series(self) -> tuple[str, ...]:
        """Return the names under which its series are stored."""
        if self.type == "counter":
            return (self.name,)
        return tuple(f"{self.name}{suffix}" for suffix in _SUFFIXES[self.type])


@cache
def all_metrics() -> tuple[Metric, ...]:
    """Return every metric of every program, in the order of the code."""
    found = []
    for name, kind in inspect.getmembers(metrics, inspect.isclass):
        if kind.__module__ == metrics.__name__:
            constructor: Callable[[CollectorRegistry], object] = kind
            exported = vars(constructor(CollectorRegistry())).values()
            found += [_metric(name.removesuffix("Metrics").lower(), each) for each in exported]
    return tuple(found)


def _metric(program: str, declared: MetricWrapperBase) -> Metric:
    (family,) = declared.describe()
    suffix = "_total" if family.type == "counter" else ""
    return Metric(program, family.name + suffix, family.type, tuple(declared._labelnames), family.documentation)
