"""The faults: each is begun, lasts for a while, and is ended again."""

import random
import signal
from collections.abc import Callable
from dataclasses import dataclass

from chaos.world import World
from support.faulty_proxy import Mode, answering, cutting_uploads, hanging, losing_answers, passing, slow

End = Callable[[], None]

_FULL = b"<Error><Code>XMinioStorageFull</Code><Message>The storage backend is full</Message></Error>"


@dataclass(frozen=True)
class Fault:
    """`begin` does the harm and returns how to end it."""

    name: str
    begin: Callable[[World, random.Random], End]


def _nothing() -> None:
    pass


def _kill(name: str) -> Fault:
    def begin(world: World, _rng: random.Random) -> End:
        world.services[name].send(signal.SIGKILL)
        return _nothing

    return Fault(f"kill {name}", begin)


def _freeze(name: str) -> Fault:
    def begin(world: World, _rng: random.Random) -> End:
        world.services[name].send(signal.SIGSTOP)
        return lambda: world.services[name].send(signal.SIGCONT)

    return Fault(f"freeze {name}", begin)


def _kill_all(world: World, _rng: random.Random) -> End:
    for service in world.services.values():
        service.send(signal.SIGKILL)
    return _nothing


def _kill_broker(world: World, _rng: random.Random) -> End:
    world.broker.process.send(signal.SIGKILL)
    return world.broker.restart


def _freeze_broker(world: World, _rng: random.Random) -> End:
    world.broker.process.send(signal.SIGSTOP)
    return lambda: world.broker.process.send(signal.SIGCONT)


def _freeze_store(world: World, _rng: random.Random) -> End:
    world.minio.process.send(signal.SIGSTOP)
    return lambda: world.minio.process.send(signal.SIGCONT)


def _store_fault(name: str, mode: Callable[[random.Random], Mode]) -> Fault:
    def begin(world: World, rng: random.Random) -> End:
        world.proxy.set_mode(mode(rng))
        return lambda: world.proxy.set_mode(passing)

    return Fault(name, begin)


def _warehouse_fault(name: str, mode: Mode) -> Fault:
    def begin(world: World, _rng: random.Random) -> End:
        world.warehouse.proxy.set_mode(mode)
        return lambda: world.warehouse.proxy.set_mode(passing)

    return Fault(name, begin)


def _scale(world: World, _rng: random.Random) -> End:
    world.scale(3)
    return lambda: world.scale(1)


def _doom(world: World, rng: random.Random) -> End:
    moment, kind = rng.choice(["before", "after"]), rng.choice(["object", "manifest"])
    world.doom(moment, kind, rng.randint(1, 6))
    return world.spare


FAULTS = (
    *(_kill(name) for name in ("consumer", "stream", "loader")),
    *(_freeze(name) for name in ("consumer", "stream", "loader")),
    Fault("kill all", _kill_all),
    Fault("kill broker", _kill_broker),
    Fault("freeze broker", _freeze_broker),
    Fault("freeze store", _freeze_store),
    _store_fault("store answers 503", lambda _rng: answering(503)),
    _store_fault("store is full", lambda _rng: answering(507, _FULL)),
    _store_fault("store hangs", lambda _rng: hanging),
    _store_fault("store is slow", lambda rng: slow(rng.uniform(0.05, 0.3))),
    _store_fault("uploads are cut", lambda rng: cutting_uploads(rng.randint(0, 2_000))),
    _store_fault("answers are lost", lambda _rng: losing_answers),
    Fault("consumers 1-3-1", _scale),
    Fault("kill consumer at a write", _doom),
    _warehouse_fault("warehouse hangs", hanging),
    _warehouse_fault("warehouse answers 503", answering(503)),
    _warehouse_fault("warehouse's answers are lost", losing_answers),
)
