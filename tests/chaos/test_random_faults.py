"""Seeded random faults on the running pipeline; after each run everything sent must be there, once.

`make chaos` runs many seeds; a short form is part of `make test`.
"""

import contextlib
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from chaos.faults import FAULTS, Fault
from chaos.oracle import Landed
from chaos.warehouses import Warehouse, address_of
from chaos.world import TOPIC, World, running_world
from stockpipe.standalone.broker import running_broker
from stockpipe.standalone.minio import MinioServer
from support.faulty_proxy import faulty_proxy

RECORDS = 1_000
FAULTS_A_RUN = 3
LATEST_SECONDS, LONGEST_SECONDS = 3.0, 4.0


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        first = metafunc.config.getoption("--chaos-seed")
        metafunc.parametrize("seed", range(first, first + metafunc.config.getoption("--chaos-runs")))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, minio: MinioServer, snowflake_server: str) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("chaos")
    rng = random.Random(1)
    with (
        running_broker(folder / "kafka") as broker,
        faulty_proxy(minio.address) as proxy,
        faulty_proxy(address_of(snowflake_server)) as before_warehouse,
        running_world(folder, broker, minio, proxy, Warehouse(snowflake_server, before_warehouse), rng) as running,
    ):
        running.traffic.send(100, threading.Event())
        running.traffic.flush()
        running.await_landed()
        running.await_loaded()
        yield running


def inflict(world: World, seed: int) -> list[str]:
    """Send records and inflict faults on the pipeline meanwhile; return what was done, with all faults over."""
    rng = random.Random(seed)
    said, schedule = [], []
    for fault in rng.sample(FAULTS, FAULTS_A_RUN):
        begin, seconds = rng.uniform(0.0, LATEST_SECONDS), rng.uniform(0.2, LONGEST_SECONDS)
        schedule.append((begin, begin + seconds, fault))
        said.append(f"{fault.name} {seconds:.1f} s")
    with ThreadPoolExecutor(1) as sending, contextlib.ExitStack() as ends:
        sent = sending.submit(world.traffic.send, RECORDS, threading.Event())
        began = time.monotonic()
        for at, action in _events(world, schedule, rng, ends):
            _watch(world, began + at)
            action()
        ends.close()
        sent.result()
    return said


def _events(
    world: World, schedule: list[tuple[float, float, Fault]], rng: random.Random, ends: contextlib.ExitStack
) -> list[tuple[float, Callable[[], None]]]:
    """Return begins and ends in the order of their times; `ends` gets the ends that a failure would leave out."""
    events: list[tuple[float, Callable[[], None]]] = []
    for begin, end, fault in schedule:
        ending = contextlib.ExitStack()
        ends.push(ending)
        events.append((begin, partial(_begin, world, fault, rng, ending)))
        events.append((end, ending.close))
    return sorted(events, key=lambda event: event[0])


def _begin(world: World, fault: Fault, rng: random.Random, ending: contextlib.ExitStack) -> None:
    ending.callback(fault.begin(world, rng))


def _watch(world: World, until: float) -> None:
    while time.monotonic() < until:
        world.keep_running()
        threading.Event().wait(0.1)


def test_nothing_is_lost_or_doubled(world: World, seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    said = inflict(world, seed)
    began = time.monotonic()
    world.traffic.flush()
    world.await_landed()
    landed = time.monotonic() - began
    world.await_loaded()
    loaded = time.monotonic() - began
    verdict = world.verdict()
    code, books = world.books()
    with capsys.disabled():
        sys.stdout.write(
            f"\n  seed {seed}: {', '.join(said)}: {len(world.traffic.sent.acknowledged):,} acknowledged so far, lost "
            f"{len(verdict.lost)}, twice {len(verdict.twice)}, phantom {len(verdict.phantom)}, unaccounted "
            f"{sum(books['unaccounted'].values())}, orphan objects {world.landed.orphans()}, landed after "
            f"{landed:.1f} s, loaded after {loaded:.1f} s\n"
        )
        sys.stdout.flush()
    assert not verdict
    assert (code, books["findings"]) == (0, [])


def test_the_auditor_sees_what_the_oracle_sees(world: World) -> None:
    world.stop()
    assert (world.verdict().lost, world.books()[0]) == (frozenset(), 0)
    world.store.delete(min(world.landed.listed))
    world.landed = Landed(world.store, TOPIC)
    world.landed.refresh()
    lost = world.verdict().lost
    code, books = world.books()
    assert (code, books["unaccounted"]["kafka-raw"]) == (1, len(lost))
    assert lost
