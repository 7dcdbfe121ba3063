"""Processes that are started again when they end, as a cluster does."""

import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

from stockpipe.standalone.processes import ChildProcess


class Supervised:
    """One program. `restarts` counts how often it ended and was started again."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self.name = name
        self.restarts = 0
        self._command = command
        self._environment = environment
        self._log = log
        self._process: ChildProcess | None = None

    @property
    def pid(self) -> int:
        """Return the process id of the running program."""
        assert self._process is not None, f"{self.name} was not started"
        return self._process.pid

    def keep_running(self) -> None:
        """Start the program if it doesn't run."""
        if self._process is not None and self._process.poll() is None:
            return
        if self._process is not None:
            self._process.close()
            self.restarts += 1
        self._process = ChildProcess(self.name, self._command, self._environment, self._log)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the program, if it runs."""
        if self._process is not None:
            self._process.send(number)

    def stop(self) -> None:
        """Stop the program in order; it isn't started again until `keep_running`."""
        if self._process is not None:
            self.send(signal.SIGCONT)
            self._process.close(grace_seconds=10.0)
            self._process = None
