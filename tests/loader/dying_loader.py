"""The real loader, killed at one instant: `dying_loader.py before-commit|after-commit COMMAND [FLAG ...]`."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from stockpipe.common.cli import run_program
from stockpipe.common.clock import Clock, SystemClock
from stockpipe.loader.cli import Loader
from stockpipe.loader.duckdb_warehouse import DuckDBSession, DuckDBWarehouse
from stockpipe.loader.warehouse import Session


def die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("still alive")


class DyingSession(DuckDBSession):
    when: str

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with super().transaction():
            yield
            if self.when == "before-commit":
                die()
        die()


class DyingWarehouse(DuckDBWarehouse):
    @contextmanager
    def open(self, *, create: bool = False) -> Iterator[Session]:
        with super().open(create=create) as session:
            session.__class__ = DyingSession
            yield session


def open_dying(url: str, lock_seconds: float, clock: Clock, stop: threading.Event) -> DyingWarehouse:
    return DyingWarehouse(url, lock_seconds, clock, stop)


if __name__ == "__main__":
    DyingSession.when = sys.argv[1]
    run_program("stockpipe-loader", Loader(SystemClock(), open_dying).commands, sys.argv[2:])
