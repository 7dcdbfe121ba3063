"""The API with its dashboard, and the audits that it shows."""

import urllib3

from stockpipe.common.clock import Clock
from stockpipe.common.errors import Unavailable
from stockpipe.standalone.pipeline import Pipeline, program
from stockpipe.standalone.ports import free_ports

START_SECONDS = 60.0


def start_dashboard(pipeline: Pipeline, clock: Clock) -> str:
    """Start both on a free port of the loopback interface and return the address once it answers.

    Raises:
        Unavailable: it doesn't answer in time.
    """
    (port,) = free_ports(1)
    address = f"http://127.0.0.1:{port}"
    flags = ["--listen-port", str(port), "--anonymous-role", "operator", "--poll-seconds", "1"]
    process = pipeline.start("api", program("api", "serve", *flags))
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
