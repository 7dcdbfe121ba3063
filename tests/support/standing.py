"""`stockpipe-standalone` as users start it."""

import re
import subprocess

from stockpipe.standalone import paths
from support.programs import program_path


def starting(command: str) -> subprocess.Popen[str]:
    """Start a command in a session of its own."""
    return subprocess.Popen(
        [program_path("stockpipe-standalone"), command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def read_until(process: subprocess.Popen[str], words: str) -> tuple[str, str]:
    """Return what was printed up to `words`, and the run's name."""
    assert process.stdout is not None
    seen = ""
    for line in process.stdout:
        seen += line
        if words in line:
            break
    run = re.search(r"\.stockpipe/(\S+-\w+)", seen)
    assert words in seen, seen
    return seen, run[1] if run else max(path.name for path in paths.RUNS.iterdir())
