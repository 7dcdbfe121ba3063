"""The API with its dashboard, and the audits that it shows."""

from collections.abc import Callable

import urllib3

from stockpipe.common.clock import Clock
from stockpipe.common.errors import Unavailable
from stockpipe.standalone.pipeline import Pipeline, program
from stockpipe.standalone.ports import free_ports

START_SECONDS = 60.0


def start_dashboard(pipeline: Pipeline, clock: Clock, tell: Callable[[str], None]) -> str:
    """Start both on a free port of the loopback interface and return the address once it answers.

    The API may end without harm to the data, so it is started again, and `tell` is told.

    Raises:
        Unavailable: it doesn't answer in time.
    """
    (port,) = free_ports(1)
    address = f"http://127.0.0.1:{port}"
    flags = ["--listen-port", str(port), "--anonymous-role", "operator", "--poll-seconds", "1"]
    process = pipeline.keep("api", program("api", "serve", *flags), tell)
    pipeline.start("auditor-watch", program("auditor", "watch", "--audit-seconds", "30"))
    deadline = clock.monotonic() + START_SECONDS
    while not _answers(f"{address}/readyz"):
        if clock.monotonic() > deadline:
            raise Unavailable(f"the API doesn't answer within {START_SECONDS:.0f} s; see {process.log}")
        pipeline.wait()
    return address


def _answers(url: str) -> bool:
    try:
        return urllib3.request("GET", url, timeout=1.0, retries=False).status == 200
    except urllib3.exceptions.HTTPError:
        return False
