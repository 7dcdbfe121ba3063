"""What every request passes: its id, limits of its size, security headers of the answer, metrics and the log."""

import re
import secrets
from collections.abc import Callable

from fastapi import HTTPException
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stockpipe.api.keys import without_secrets
from stockpipe.api.problems import MEDIA_TYPE, problem_body
from stockpipe.common.clock import Clock
from stockpipe.common.logs import Logger
from stockpipe.common.metrics import ApiMetrics

MAX_BODY_BYTES = 64 * 1024
STREAM_PATH = "/v1/stream"
READY_PATH = "/readyz"

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=31536000",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_RAW_HEADERS = [(name.lower().encode(), value.encode()) for name, value in SECURITY_HEADERS.items()]
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Edge:
    """Wraps the application; nothing it raises reaches the server."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        clock: Clock,
        metrics: ApiMetrics,
        log: Logger,
        new_id: Callable[[], str] = lambda: secrets.token_hex(8),
    ) -> None:
        self._app = app
        self._clock = clock
        self._metrics = metrics
        self._log = log
        self._new_id = new_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = self._clock.monotonic()
        given = Headers(scope=scope).get("x-request-id", "")
        harmless = _REQUEST_ID.fullmatch(given) and given == without_secrets(given)
        request_id = given if harmless else self._new_id()
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        status = 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *_RAW_HEADERS, (b"x-request-id", request_id.encode())]
            await send(message)

        try:
            await self._app(scope, self._bounded(receive), answer)
        except Exception:
            self._log.exception("request_failed", request_id=request_id, path=without_secrets(scope["path"])[:200])
            if status == 0:
                body = problem_body(500, "the answer can't be made; the operator finds why by this id", request_id)
                await Response(body, 500, media_type=MEDIA_TYPE)(scope, receive, answer)
        finally:
            self._account(scope, status, self._clock.monotonic() - began)

    @staticmethod
    def _bounded(receive: Receive) -> Receive:
        total = 0

        async def bounded() -> Message:
            nonlocal total
            message = await receive()
            total += len(message.get("body", b""))
            if total > MAX_BODY_BYTES:
                raise HTTPException(413, f"the body is larger than {MAX_BODY_BYTES} bytes")
            return message

        return bounded

    def _account(self, scope: Scope, status: int, seconds: float) -> None:
        route = scope.get("route")
        path = getattr(route, "path", "unknown")
        self._metrics.requests.labels(path, scope["method"] if route else "any", str(status)).inc()
        if path != STREAM_PATH:
            self._metrics.request_seconds.labels(path).observe(seconds)
        if status >= 500 and path != READY_PATH:
            state = scope["state"]
            about = {"request_id": state["request_id"], "reason": state.get("reason", "")}
            self._log.error("request_not_answered", route=path, status=status, **about)
        else:
            self._log.debug("request", route=path, status=status, ms=round(seconds * 1000, 1))
