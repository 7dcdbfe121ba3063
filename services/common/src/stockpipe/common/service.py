"""What a long-running process needs: a stop event set by signals, its metrics and health on a port, memory's policy."""

import gc
import signal
import threading
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer

from stockpipe.common.errors import ConfigError
from stockpipe.common.health import WatchedClock


def stop_on_signals() -> threading.Event:
    """Return an event that SIGTERM and SIGINT set; the process then finishes its open work and leaves."""
    stop = threading.Event()

    def handle(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)
    return stop


def collect_rarely() -> None:
    """Look for cycles after 100,000 new objects instead of 700, and never among those that are there now.

    Records make none, yet a reader of a million a second would search its own buffers a thousand times a second.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)


class _Quiet(WSGIRequestHandler):
    """Logs no requests."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        pass


def serve_metrics(registry: CollectorRegistry, port: int, clock: WatchedClock | None) -> None:
    """Serve `registry` at /metrics and the loop's health at /healthz on `port`; 0 serves nothing.

    /healthz answers 200, or 503 once the loop that runs on `clock` is stalled; without a clock there is no /healthz.

    Raises:
        ConfigError: the port is taken or forbidden.
    """
    if not port:
        return
    metrics: Callable[..., Iterable[bytes]] = make_wsgi_app(registry)

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if clock is None or environ["PATH_INFO"] != "/healthz":
            return metrics(environ, start_response)
        overdue = clock.overdue_seconds
        start_response("503 Service Unavailable" if overdue else "200 OK", [("Content-Type", "text/plain")])
        return [f"the loop is {overdue:.0f} s overdue\n".encode() if overdue else b"ok\n"]

    try:
        server = make_server("", port, answer, ThreadingWSGIServer, _Quiet)
    except OSError as error:
        raise ConfigError(f"METRICS_PORT={port}: {error.strerror}; choose another port") from error
    threading.Thread(target=server.serve_forever, daemon=True).start()
