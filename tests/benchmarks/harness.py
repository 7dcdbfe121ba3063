"""Paired rounds: a reference and subjects take turns in one run, so that a busy machine slows all of them alike."""

import gc
import importlib.metadata
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from stockpipe.common.service import collect_rarely
from stockpipe.standalone.broker import Broker, running_broker

PACKAGES = ("confluent-kafka", "msgspec", "orjson", "pydantic", "pyarrow", "duckdb", "pyspark")
GATE = 0.5
"""The part of a target that fails a run; the figures themselves are for people."""


@dataclass(frozen=True)
class Run:
    """One pass: how many records or rows, seconds by the clock, and CPU seconds of this process."""

    count: int
    seconds: float
    cpu: float = 0.0


@dataclass(frozen=True)
class Target:
    """What a ratio should be: at least this, or at most this where less is better."""

    value: float
    stretch: float
    at_most: bool = False

    def meets(self, ratio: float, part: float = 1.0) -> bool:
        return ratio <= self.value / part if self.at_most else ratio >= self.value * part


@dataclass
class Result:
    """The ratios of one benchmark's rounds; `raw` holds what each round measured."""

    name: str
    says: str
    ratios: list[float]
    target: Target | None = None
    raw: dict[str, list[Run]] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)
    cpu_ratios: list[float] = field(default_factory=list)
    """The same of CPU seconds, where reference and subject run in this process."""

    @property
    def ratio(self) -> float:
        return statistics.median(self.ratios)

    @property
    def passes(self) -> bool:
        """Return whether half of the target is reached, by the clock or by CPU seconds.

        On a busy machine who computes waits for a core, who waits for a broker doesn't: the clock then flatters the
        reference.
        """
        found = [self.ratio] + ([statistics.median(self.cpu_ratios)] if self.cpu_ratios else [])
        return self.target is None or any(self.target.meets(ratio, GATE) for ratio in found)

    @property
    def lines(self) -> list[str]:
        """Return the figures for people: the ratio, then what each side measured."""
        verdict = ""
        if self.target is not None:
            word = "at most" if self.target.at_most else "at least"
            met = "met" if self.target.meets(self.ratio) else "MISSED"
            verdict = f"{word} {self.target.value:g} {met}; "
        spread = f"({min(self.ratios):.2f} to {max(self.ratios):.2f})"
        cpu = f"by CPU seconds {statistics.median(self.cpu_ratios):.2f}; " if self.cpu_ratios else ""
        head = f"{self.name:20} {self.ratio:8.2f}  {spread:16}  {verdict}{cpu}{self.says}"
        sides = [
            f"{'':20} {side:>16}: {statistics.median(run.count / run.seconds for run in runs):12,.0f}/s "
            f"{statistics.median(run.seconds for run in runs):7.2f} s "
            f"{statistics.median(run.cpu / run.count for run in runs) * 1e6:7.2f} us CPU"
            for side, runs in self.raw.items()
        ]
        return [head, *sides, *(f"{'':20} {name:>16}: {value}" for name, value in self.notes.items())]

    def as_dict(self) -> dict[str, Any]:
        bounds = {"ratio": self.ratio, "least": min(self.ratios), "most": max(self.ratios)}
        raw = {name: [asdict(run) for run in runs] for name, runs in self.raw.items()}
        target = asdict(self.target) if self.target else None
        more = {"cpu_ratios": self.cpu_ratios, "target": target, "raw": raw, "notes": self.notes}
        return {"name": self.name, "says": self.says, **bounds, **more}


Side = Callable[[], Run]


def paired(sides: Mapping[str, Side], rounds: int, warm_ups: int = 1) -> dict[str, list[Run]]:
    """Return each side's passes. Every round goes through all sides, every other one backwards."""
    found: dict[str, list[Run]] = {name: [] for name in sides}
    for number in range(-warm_ups, rounds):
        for name in list(sides) if number % 2 else reversed(list(sides)):
            gc.collect()
            run = sides[name]()
            if number >= 0:
                found[name].append(run)
    return found


def rates(runs: Mapping[str, list[Run]], subject: str, reference: str) -> list[float]:
    """Return how many times as fast the subject was as the reference, round by round."""
    pairs = zip(runs[subject], runs[reference], strict=True)
    return [(mine.count / mine.seconds) / (other.count / other.seconds) for mine, other in pairs]


def against(
    runs: Mapping[str, list[Run]], name: str, subject: str, reference: str, says: str, target: Target | None = None
) -> Result:
    """Return the result of comparing two sides' rates, by the clock and by CPU seconds."""
    pairs = zip(runs[subject], runs[reference], strict=True)
    cpu = [(mine.count / mine.cpu) / (other.count / other.cpu) for mine, other in pairs if mine.cpu and other.cpu]
    return Result(name, says, rates(runs, subject, reference), target, cpu_ratios=cpu)


def times(runs: Mapping[str, list[Run]], subject: str, reference: str) -> list[float]:
    """Return how many times as long the subject took for the same work, round by round."""
    return [mine.seconds / other.seconds for mine, other in zip(runs[subject], runs[reference], strict=True)]


@contextmanager
def rarely_collected() -> Iterator[None]:
    """Have Python's collector as the consumer has it, for reference and subject; afterwards as it was."""
    before = gc.get_threshold()
    collect_rarely()
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


class Stopwatch:
    """Seconds by the clock and of the CPU since it was made."""

    def __init__(self) -> None:
        self._began, self._cpu = time.perf_counter(), time.process_time()

    def run(self, count: int) -> Run:
        return Run(count, time.perf_counter() - self._began, time.process_time() - self._cpu)


def machine() -> dict[str, Any]:
    """Return what the figures were measured on."""
    return {
        "cores": os.cpu_count(),
        "load": [round(load, 1) for load in os.getloadavg()],
        "python": platform.python_version(),
        "gc": gc.get_threshold(),
        **{name: importlib.metadata.version(name) for name in PACKAGES},
    }


class Bench:
    """What benchmarks share: a folder, how thorough to be, and servers that start when first asked for."""

    def __init__(self, folder: Path, stack: ExitStack, *, quick: bool) -> None:
        self.folder = folder
        self.stack = stack
        self.quick = quick
        self.shared: dict[str, Any] = {}
        """What several benchmarks use, by name."""

    @property
    def rounds(self) -> int:
        return 3 if self.quick else 5

    def size(self, full: int, quick: int) -> int:
        return quick if self.quick else full

    @cached_property
    def broker(self) -> Broker:
        return self.stack.enter_context(running_broker(self.folder / "kafka"))


@contextmanager
def opened(folder: Path, *, quick: bool) -> Iterator[Bench]:
    """Give a Bench; its servers stop at the end."""
    with ExitStack() as stack:
        yield Bench(folder, stack, quick=quick)
