"""A source on the loopback interface that may have had enough."""

import contextlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

from support.alphavantage import minutes
from support.background import answering


class SourceServer(ThreadingHTTPServer):
    """Answers with Alpha Vantage's newest minute, always the same one, or with `status` if that isn't 200."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = 200
        now = datetime.now(ZoneInfo("US/Eastern"))
        self.stamp = f"{now - timedelta(seconds=65):%Y-%m-%d %H:%M:%S}"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/query"


class _Handler(BaseHTTPRequestHandler):
    server: SourceServer

    def do_GET(self) -> None:
        (symbol,) = parse_qs(urlsplit(self.path).query)["symbol"]
        body = minutes(symbol, [self.server.stamp]).encode() if self.server.status == 200 else b""
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        pass


@contextlib.contextmanager
def running_source() -> Iterator[SourceServer]:
    with answering(SourceServer()) as server:
        yield server
