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
from stockpipe.loader.duckdb_warehouse import DuckDBSession
from stockpipe.loader.open import open_warehouse
from stockpipe.loader.settings import LoaderWarehouseSettings
from stockpipe.loader.snowflake_warehouse import SnowflakeSession
from stockpipe.loader.warehouse import Session, Warehouse


def die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("still alive")


class Dying:
    when: str

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with super().transaction():  # type: ignore[misc]
            yield
            if self.when == "before-commit":
                die()
        die()


class DyingDuckDBSession(Dying, DuckDBSession):
    pass


class DyingSnowflakeSession(Dying, SnowflakeSession):
    pass


class DyingWarehouse:
    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse

    @property
    def url(self) -> str:
        return self._warehouse.url

    @contextmanager
    def open(self, *, create: bool = False) -> Iterator[Session]:
        with self._warehouse.open(create=create) as session:
            session.__class__ = DyingDuckDBSession if isinstance(session, DuckDBSession) else DyingSnowflakeSession
            yield session


def open_dying(settings: LoaderWarehouseSettings, clock: Clock, stop: threading.Event) -> DyingWarehouse:
    return DyingWarehouse(open_warehouse(settings, clock, stop))


if __name__ == "__main__":
    Dying.when = sys.argv[1]
    run_program("stockpipe-loader", Loader(SystemClock(), open_dying).commands, sys.argv[2:])
