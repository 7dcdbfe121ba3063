"""Child processes that can't outlive this one."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

_PR_SET_PDEATHSIG = 1
# Loaded before the fork: between fork and exec almost nothing is safe to call.
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def _die_with_parent() -> None:
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class ChildProcess:
    """A program in a session of its own: Ctrl-C in the terminal reaches only us, and we stop it in order."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        """Start `command`; its output goes to the file `log`."""
        self.name = name
        self.log = log
        self._output: IO[bytes] = log.open("ab")
        self._process = subprocess.Popen(
            command,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - one prctl call on a preloaded library
        )

    @property
    def pid(self) -> int:
        """Return the process id."""
        return self._process.pid

    def poll(self) -> int | None:
        """Return the exit code, None while the process runs."""
        return self._process.poll()

    def wait(self, seconds: float) -> int | None:
        """Return the exit code, None if the process still runs after `seconds`."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def ask_to_stop(self) -> None:
        """Send SIGTERM to the program itself; it finishes its open work and takes its own children along."""
        self.send(signal.SIGTERM)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the program itself, if it still runs."""
        if self.poll() is None:
            self._process.send_signal(number)

    def close(self, grace_seconds: float = 20.0) -> None:
        """Stop the program, if need be by force, with everything it started."""
        self.ask_to_stop()
        deadline = time.monotonic() + grace_seconds
        while self.poll() is None and time.monotonic() < deadline:
            self.wait(0.1)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._output.close()

    def last_lines(self, count: int = 5) -> str:
        """Return the end of the program's log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-count:])
