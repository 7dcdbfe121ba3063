"""The first signal ends a run wherever it arrives, the next ones don't disturb its end."""

import os
import signal
import sys
import threading
from collections.abc import Callable

import pytest

from stockpipe.standalone.interrupt import interruptible

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
DEADLINE_SECONDS = 10


class _SignalledWhileFreed:
    def __del__(self) -> None:
        signal.raise_signal(signal.SIGTERM)


def _fork() -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)


def _run(action: Callable[[], object], end: Callable[[], None] = lambda: None) -> None:
    with interruptible():
        try:
            action()
            threading.Event().wait(DEADLINE_SECONDS)
        finally:
            end()


def test_an_interrupt_that_a_finalizer_swallowed_ends_the_run() -> None:
    with pytest.raises(KeyboardInterrupt):
        _run(_SignalledWhileFreed)


def test_an_interrupt_that_a_fork_hook_swallowed_ends_the_run() -> None:
    signalled = False

    def once() -> None:
        nonlocal signalled
        if not signalled:
            signalled = True
            signal.raise_signal(signal.SIGTERM)

    os.register_at_fork(after_in_parent=once)  # logging has such a hook; a signal met it
    with pytest.raises(KeyboardInterrupt):
        _run(_fork)


def test_further_signals_do_not_disturb_the_end() -> None:
    ended = False

    def end() -> None:
        nonlocal ended
        for each in SIGNALS:
            signal.raise_signal(each)
        ended = True

    with pytest.raises(KeyboardInterrupt):
        _run(lambda: signal.raise_signal(signal.SIGINT), end)
    assert ended


def test_afterwards_signals_mean_what_they_meant() -> None:
    watched = (*SIGNALS, signal.SIGALRM)
    before = [signal.getsignal(each) for each in watched], sys.unraisablehook
    with interruptible():
        pass
    assert ([signal.getsignal(each) for each in watched], sys.unraisablehook) == before
