"""Ctrl-C, once: the first one ends the run in order, further ones don't disturb that."""

import contextlib
import signal
import sys
from collections.abc import Iterator
from types import FrameType

AGAIN_SECONDS = 0.05
"""How long after Python swallowed an interrupt it is raised again."""


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Raise KeyboardInterrupt at the first SIGINT, SIGTERM or SIGHUP, and ignore those that follow.

    Python only reports what is raised in finalizers and fork hooks; an interrupt that arrived there is raised again.
    """
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        for each in signals:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    def swallowed(report: "sys.UnraisableHookArgs") -> None:
        if isinstance(report.exc_value, KeyboardInterrupt):
            signal.setitimer(signal.ITIMER_REAL, AGAIN_SECONDS)
        else:
            report_before(report)

    before = {each: signal.signal(each, interrupt) for each in (*signals, signal.SIGALRM)}
    report_before, sys.unraisablehook = sys.unraisablehook, swallowed
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        sys.unraisablehook = report_before
        for each, handler in before.items():
            signal.signal(each, handler)
