"""A store that kills (SIGKILL) or freezes (SIGSTOP) the process around its n-th write of a kind.

For programs that a test runs in a process of their own: `WITH_SUPPORT` is the environment in which they find it.
"""

import os
import signal
from pathlib import Path
from typing import Any

from stockpipe.common.lake.store import ObjectStore

WITH_SUPPORT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}


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
