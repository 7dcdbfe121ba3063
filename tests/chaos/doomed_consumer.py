"""The real consumer on a store that kills (SIGKILL) or freezes (SIGSTOP) the process around its n-th write of a kind.

python doomed_consumer.py kill|stop before|after object|manifest N  FLAGS OF stockpipe-consumer ...

Its group takes it for dead after 6 s of silence, the least that brokers allow, instead of 45.
"""

import os
import signal
import sys
from typing import Any

from stockpipe.common import kafka
from stockpipe.common.cli import Command, run_program
from stockpipe.common.clock import SystemClock
from stockpipe.common.lake.open import open_lake
from stockpipe.common.lake.store import ObjectStore
from stockpipe.consumer.cli import consume
from stockpipe.consumer.settings import ConsumerSettings


class FatalStore:
    """Does what `store` does, until the write that is the process's last or that it is frozen at."""

    def __init__(self, store: ObjectStore, fate: str, moment: str, kind: str, number: int) -> None:
        self._store = store
        self._signal = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}[fate]
        self._moment = moment
        self._kind = kind
        self._left = number

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def create(self, key: str, data: bytes) -> None:
        matches = (self._kind == "manifest") == ("/_manifests/" in key)
        self._left -= matches
        doomed = matches and self._left == 0
        if doomed and self._moment == "before":
            os.kill(os.getpid(), self._signal)
        self._store.create(key, data)
        if doomed and self._moment == "after":
            os.kill(os.getpid(), self._signal)


def main() -> None:
    fate, moment, kind, number = sys.argv[1:5]
    kafka._CONSUMER |= {"session.timeout.ms": 6_000, "heartbeat.interval.ms": 500}

    def run(settings: ConsumerSettings) -> int:
        store: Any = FatalStore(open_lake(settings), fate, moment, kind, int(number))
        return consume(settings, store, SystemClock())

    run_program("doomed-consumer", {"": Command(ConsumerSettings, run)}, sys.argv[5:])


main()
