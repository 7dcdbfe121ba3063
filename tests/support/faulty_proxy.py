"""An HTTP proxy in front of one server, which fails on demand.

    with faulty_proxy(minio.address) as proxy:
        proxy.set_mode(answering(503), times=3)

A mode is a function of an Exchange: one request of a client, and what to do with it.
"""

import contextlib
import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Address = tuple[str, int]


@dataclass
class Answer:
    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""


class Exchange:
    """A request, its body already received; `path` carries the query."""

    def __init__(self, handler: "_Handler", body: bytes) -> None:
        self.method = handler.command
        self.path = handler.path
        self.body = body
        self._handler = handler
        self._proxy = handler.server.proxy

    def forward(self, body_bytes: int | None = None) -> Answer | None:
        """Pass the request to the server and return its answer; with `body_bytes` only so much of it, and no answer."""
        connection = http.client.HTTPConnection(*self._proxy.upstream, timeout=60)
        try:
            connection.putrequest(self.method, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self._handler.headers.items():
                if name.lower() != "expect":
                    connection.putheader(name, value)
            connection.endheaders()
            connection.send(self.body if body_bytes is None else self.body[:body_bytes])
            if body_bytes is not None:
                return None
            answer = connection.getresponse()
            return Answer(answer.status, answer.getheaders(), answer.read())
        finally:
            connection.close()

    def reply(self, answer: Answer, *, piece: int = 1 << 20, pause: float = 0.0) -> None:
        """Give the client an answer, in pieces of `piece` bytes with `pause` seconds before each."""
        handler = self._handler
        handler.send_response_only(answer.status)
        for name, value in answer.headers:
            if name.lower() not in ("transfer-encoding", "connection"):
                handler.send_header(name, value)
        if not any(name.lower() == "content-length" for name, _ in answer.headers) and answer.status != 204:
            handler.send_header("Content-Length", str(len(answer.body)))
        handler.end_headers()
        for start in range(0, len(answer.body), piece):
            time.sleep(pause)
            handler.wfile.write(answer.body[start : start + piece])

    def refuse(self, status: int, xml: bytes) -> None:
        """Answer with an error as S3 words it."""
        self.reply(Answer(status, [("Content-Type", "application/xml")], xml))

    def drop(self) -> None:
        """Close the client's connection without a word."""
        self._handler.close_connection = True

    def hold(self) -> None:
        """Keep the client waiting until the mode changes or the proxy ends."""
        self._proxy.changed.wait()


Mode = Callable[[Exchange], None]


def passing(exchange: Exchange) -> None:
    """Pass everything on, both ways."""
    answer = exchange.forward()
    assert answer is not None
    exchange.reply(answer)


def hanging(exchange: Exchange) -> None:
    """Take the request and never answer."""
    exchange.hold()
    exchange.drop()


def losing_answers(exchange: Exchange) -> None:
    """Let the server do its work, and drop the connection instead of answering."""
    exchange.forward()
    exchange.drop()


def answering(status: int, body: bytes = b"") -> Mode:
    """Answer with an error of our own; the server sees nothing."""
    return lambda exchange: exchange.reply(Answer(status, [], body))


def cutting_uploads(after: int) -> Mode:
    """Break both connections when the server has got `after` bytes of the body."""

    def mode(exchange: Exchange) -> None:
        exchange.forward(after)
        exchange.drop()

    return mode


def cutting_answers(after: int) -> Mode:
    """Break the client's connection when it has got `after` bytes of the answer's body."""

    def mode(exchange: Exchange) -> None:
        answer = exchange.forward()
        assert answer is not None
        length = ("Content-Length", str(len(answer.body)))
        others = [pair for pair in answer.headers if pair[0].lower() != "content-length"]
        exchange.reply(Answer(answer.status, [*others, length], answer.body[:after]))
        exchange.drop()

    return mode


def slow(pause: float, piece: int = 1 << 16) -> Mode:
    """Answer in pieces of `piece` bytes, each after `pause` seconds."""

    def mode(exchange: Exchange) -> None:
        answer = exchange.forward()
        assert answer is not None
        exchange.reply(answer, piece=piece, pause=pause)

    return mode


def altering_uploads(exchange: Exchange) -> None:
    """Change the last byte of the body on its way."""
    if exchange.body:
        exchange.body = exchange.body[:-1] + bytes([exchange.body[-1] ^ 1])
    passing(exchange)


class FaultyProxy:
    """A running proxy; `address` is what clients connect to, `seen` the requests so far as `PUT /path?query`."""

    def __init__(self, upstream: Address, server: "_Server") -> None:
        self.upstream = upstream
        self.address: Address = ("127.0.0.1", server.server_address[1])
        self.seen: list[str] = []
        self.changed = threading.Event()
        self._lock = threading.Lock()
        self._mode: Mode = passing
        self._left: int | None = None
        self._only: Callable[[Exchange], bool] = lambda _exchange: True

    def set_mode(
        self, mode: Mode, *, times: int | None = None, only: Callable[[Exchange], bool] = lambda _exchange: True
    ) -> None:
        """Treat the next `times` requests (None: all) for which `only` holds by `mode`, everything else normally."""
        with self._lock:
            self._mode, self._left, self._only = mode, times, only
            self.changed.set()
            self.changed = threading.Event()

    def handle(self, exchange: Exchange) -> None:
        with self._lock:
            self.seen.append(f"{exchange.method} {exchange.path}")
            faulty = self._left != 0 and self._only(exchange)
            if faulty and self._left is not None:
                self._left -= 1
            mode = self._mode if faulty else passing
        mode(exchange)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Server"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self._handle
        raise AttributeError(name)

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.proxy.handle(Exchange(self, body))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    proxy: FaultyProxy

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.open: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self.open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that give up are part of the tests."""


@contextlib.contextmanager
def faulty_proxy(upstream: Address) -> Iterator[FaultyProxy]:
    """Run a proxy in front of the server at `upstream`, at first without a fault."""
    server = _Server()
    proxy = server.proxy = FaultyProxy(upstream, server)
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    serving.start()
    try:
        yield proxy
    finally:
        proxy.set_mode(passing)
        server.shutdown()
        serving.join()
        for client in list(server.open):
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
        server.server_close()
