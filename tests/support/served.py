"""The API as a real process on a free port."""

import contextlib
import json
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from stockpipe.standalone.ports import free_ports
from support.api import ApiSite
from support.programs import program_path
from support.waiting import eventually


@dataclass
class Served:
    """A running API; `restart` gives its port to a new process."""

    site: ApiSite
    port: int
    flags: tuple[str, ...]
    log: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [program_path("stockpipe-api"), "serve", "--listen-port", str(self.port), *self.flags]
        command += ["--lake-url", self.site.lake_url, "--warehouse-url", self.site.url, "--poll-seconds", "0.2"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        eventually(self._is_ready, f"the API answers; see {self.log}", 60)

    def stop(self, seconds: float = 20.0) -> int:
        """Ask the process to end and return its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def events(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def _is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"{self.url}/readyz").status_code == 200
        return False


@contextlib.contextmanager
def serving(site: ApiSite, *flags: str) -> Iterator[Served]:
    (port,) = free_ports(1)
    served = Served(site, port, flags, site.folder / f"api-{port}.log")
    try:
        served.start()
        yield served
    finally:
        if served.process is not None and served.process.poll() is None:
            served.process.kill()
            served.process.wait()
