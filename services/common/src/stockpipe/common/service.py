"""What a long-running process needs: a stop event set by signals, and its metrics on a port."""

import signal
import threading
from types import FrameType

from prometheus_client import CollectorRegistry, start_http_server

from stockpipe.common.errors import ConfigError


def stop_on_signals() -> threading.Event:
    """Return an event that SIGTERM and SIGINT set; the process then finishes its open work and leaves."""
    stop = threading.Event()

    def handle(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)
    return stop


def serve_metrics(registry: CollectorRegistry, port: int) -> None:
    """Serve `registry` at /metrics on `port`; 0 serves nothing.

    Raises:
        ConfigError: the port is taken or forbidden.
    """
    if port:
        try:
            start_http_server(port, registry=registry)
        except OSError as error:
            raise ConfigError(f"METRICS_PORT={port}: {error.strerror}; choose another port") from error
