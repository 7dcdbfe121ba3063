"""A Snowflake to test against: fakesnow in a process and a virtual environment of its own."""

import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stockpipe.standalone.ports import free_ports
from support.waiting import eventually

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-fakesnow" / "bin" / "python"


@contextmanager
def running_fakesnow(log: Path) -> Iterator[str]:
    """Give the server's URL; it is stopped at the end."""
    assert PYTHON.exists(), "the environment of fakesnow is missing; run `make .venv-fakesnow`"
    (port,) = free_ports(1)
    script = Path(__file__).with_name("fakesnow_server.py")
    with (
        log.open("wb") as output,
        subprocess.Popen([PYTHON, "-P", script, str(port)], stdout=output, stderr=subprocess.STDOUT) as process,
    ):
        try:
            eventually(lambda: _listens(port) or process.poll() is not None, "fakesnow listens", 60)
            assert process.poll() is None, log.read_text()
            yield f"http://127.0.0.1:{port}"
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
