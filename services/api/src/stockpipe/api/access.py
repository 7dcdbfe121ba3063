"""Who calls, and whether they may: API keys, bearer tokens, anonymous callers where a setting says so."""

from dataclasses import dataclass
from typing import Annotated, Literal

from anyio import to_thread
from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from stockpipe.api.keys import ApiKeys, Role, SharedLooks, without_secrets
from stockpipe.api.limits import RateLimit
from stockpipe.api.oidc import BadToken, Provider
from stockpipe.api.problems import ApiProblem
from stockpipe.common.errors import Unavailable
from stockpipe.common.logs import Logger
from stockpipe.common.metrics import ApiMetrics

BEARER = HTTPBearer(
    auto_error=False, description="An API key (`stockpipe-api keys create`), or a token of the OIDC provider"
)
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]


@dataclass(frozen=True)
class Caller:
    """Who calls: `identity` is `key:<id>`, `oidc:<subject>` or `address:<ip>`."""

    identity: str
    role: Role


class Access:
    """Admits callers, and writes every refusal and every operator's call to the audit log."""

    def __init__(
        self,
        keys: ApiKeys,
        provider: Provider | None,
        anonymous: Literal["none", "reader", "operator"],
        limit: RateLimit,
        metrics: ApiMetrics,
        log: Logger,
    ) -> None:
        self._keys = SharedLooks(keys)
        self._provider = provider
        self._anonymous = anonymous
        self._limit = limit
        self._metrics = metrics
        self._log = log

    async def admit(self, request: Request, credentials: Credentials, needed: Role) -> Caller:
        """Return the caller.

        Raises:
            ApiProblem: 401 no or a wrong key, 403 another role is needed, 429 too many requests.
            Unavailable: the lake or the provider can't be asked.
        """
        address = _address(request)
        # Refusals cost the lake or the provider a question, so who is refused too often isn't looked at.
        refused = f"refused {address}"
        caller, reason = None, ""
        wait = self._limit.seconds_to_wait(refused)
        if not wait:
            caller, reason = await self._identify(request, credentials, address)
            wait = self._limit.take(caller.identity if caller else refused)
        if wait:
            raise self._deny(request, caller, address, "rate", 429, "too many requests; see Retry-After", wait)
        if caller is None:
            detail = {
                "no_key": "this route needs a key: send `Authorization: Bearer <key>`",
                "wrong_key": "the key is unknown or revoked; ask the operator for another",
                "wrong_token": "the token isn't accepted; get a new one from the provider",
            }[reason]
            raise self._deny(request, caller, address, reason, 401, detail)
        if needed == "operator":
            if caller.role != "operator":
                detail = f"this route needs the role operator; yours is {caller.role}"
                raise self._deny(request, caller, address, "role", 403, detail)
            self._log.info("operator_call", **self._about(request, caller, address))
        return caller

    async def is_still_admitted(self, request: Request, credentials: Credentials) -> bool:
        """Return whether the caller of an answer that goes on is known to be admitted still, its key not revoked."""
        try:
            caller, _reason = await self._identify(request, credentials, _address(request))
        except Unavailable:
            return False
        return caller is not None

    async def _identify(self, request: Request, given: Credentials, address: str) -> tuple[Caller | None, str]:
        if given is None:
            if "authorization" in request.headers:
                return None, "wrong_key"
            return (None, "no_key") if self._anonymous == "none" else (Caller(address, self._anonymous), "")
        if given.credentials.startswith("sp_"):
            record = await self._keys.find(given.credentials)
            return (Caller(f"key:{record.id}", record.role), "") if record else (None, "wrong_key")
        if self._provider is None:
            return None, "wrong_key"
        try:
            claims = await to_thread.run_sync(self._provider.check, given.credentials)
        except BadToken as error:
            request.state.reason = str(error)
            return None, "wrong_token"
        return (Caller(f"oidc:{claims.subject}", claims.role), "") if claims.role else (None, "wrong_token")

    def _deny(
        self,
        request: Request,
        caller: Caller | None,
        address: str,
        reason: str,
        status: int,
        detail: str,
        wait: float = 0.0,
    ) -> ApiProblem:
        self._metrics.denied.labels(reason).inc()
        self._log.warning("access_denied", reason=reason, status=status, **self._about(request, caller, address))
        headers = {401: {"WWW-Authenticate": "Bearer"}, 429: {"Retry-After": str(int(wait) + 1)}}
        return ApiProblem(status, detail, headers.get(status))

    @staticmethod
    def _about(request: Request, caller: Caller | None, address: str) -> dict[str, str]:
        return {
            "audit": "api",
            "caller": caller.identity if caller else "unknown",
            "address": address.removeprefix("address:"),
            "method": request.method,
            "path": without_secrets(request.url.path)[:200],
            "request_id": request.state.request_id,
        }


def _address(request: Request) -> str:
    return f"address:{request.client.host if request.client else 'unknown'}"


async def require_reader(request: Request, credentials: Credentials) -> Caller:
    """Admit readers and operators."""
    access: Access = request.app.state.access
    return await access.admit(request, credentials, "reader")


async def require_operator(request: Request, credentials: Credentials) -> Caller:
    """Admit operators."""
    access: Access = request.app.state.access
    return await access.admit(request, credentials, "operator")
