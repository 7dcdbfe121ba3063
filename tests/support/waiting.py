"""Waiting for a condition, with a deadline."""

import threading
import time
from collections.abc import Callable


def eventually(condition: Callable[[], bool], what: str, seconds: float = 30.0) -> None:
    """Return once `condition` holds; fail with `what` if it doesn't within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        threading.Event().wait(0.05)
