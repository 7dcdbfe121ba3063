"""The HTTP server: one process, ended in order."""

import asyncio
import socket
from collections.abc import Callable
from types import FrameType

import uvicorn
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from stockpipe.api.app import Parts, build_app
from stockpipe.api.settings import ServeSettings
from stockpipe.common.clock import SystemClock
from stockpipe.common.errors import ConfigError
from stockpipe.common.lake.open import open_lake
from stockpipe.common.logs import Logger, configure_logs
from stockpipe.common.service import serve_metrics
from stockpipe.common.warehouse.reader import open_reader

MAX_HEAD_BYTES = 64 * 1024


class _BoundedProtocol(HttpToolsProtocol):
    """Ends a connection whose request head grows without end: the parser would keep all of it."""

    _head_bytes = 0
    _in_head = True

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._head_bytes = self._head_bytes + len(data) if self._in_head else 0
        if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response(f"The request's head is larger than {MAX_HEAD_BYTES} bytes.")

    def on_message_begin(self) -> None:
        self._head_bytes, self._in_head = 0, True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()


class _Server(uvicorn.Server):
    """Ends the streams as soon as it is told to stop: it would wait for them otherwise."""

    def __init__(self, config: uvicorn.Config, log: Logger, on_stop: Callable[[], None]) -> None:
        super().__init__(config)
        self._log = log
        self._on_stop = on_stop

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        if self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            self._log.info("serving", url=f"http://{host}:{port}")

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the signature is uvicorn's
        # Uvicorn would raise the signal again at the end; an end in order is exit code 0.
        self.should_exit = True
        self._loop.call_soon_threadsafe(self._on_stop)


def run_serve(settings: ServeSettings) -> int:
    """Run the command and return its exit code."""
    log = configure_logs("api", settings.log_level)
    registry = CollectorRegistry()
    store = open_lake(settings)
    app = build_app(Parts(settings, lambda: open_reader(settings), store, SystemClock(), log, registry))
    serve_metrics(registry, settings.metrics_port, None)  # /healthz is the app's own
    serve(app, settings, log)
    log.info("stopped")
    return 0


def serve(app: FastAPI, settings: ServeSettings, log: Logger) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        ConfigError: the address can't be listened on.
    """
    config = uvicorn.Config(
        app,
        host=settings.listen_host,
        port=settings.listen_port,
        http=_BoundedProtocol,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        timeout_graceful_shutdown=settings.stop_seconds,
    )
    try:
        _Server(config, log, app.state.news.stop).run()
    except SystemExit:
        address = f"LISTEN_HOST={settings.listen_host} LISTEN_PORT={settings.listen_port}"
        raise ConfigError(f"{address} can't be listened on; choose another") from None
