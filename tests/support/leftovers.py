"""Processes that a run left behind."""

from pathlib import Path

from stockpipe.standalone.pipeline import RUN_VARIABLE


def processes_of_run(run: str) -> list[str]:
    """Return the command lines of living processes that carry the run's mark in their environment."""
    mark = f"{RUN_VARIABLE}={run}".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes().split(b"\0"):
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return found
