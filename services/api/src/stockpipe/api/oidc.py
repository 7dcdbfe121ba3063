"""Bearer tokens of an OpenID Connect provider."""

from dataclasses import dataclass
from typing import Any

import jwt
import msgspec
import urllib3

from stockpipe.api.keys import Role
from stockpipe.common.errors import Unavailable

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures with a public key; `none` and those with a shared secret are never taken."""
TIMEOUT_SECONDS = 5.0
LEEWAY_SECONDS = 30.0


class BadToken(Exception):
    """The token is not accepted; the message says why, for the log."""


@dataclass(frozen=True)
class Claims:
    """Who a token is of, and what it may do; None if it names no role of ours."""

    subject: str
    role: Role | None


class Provider:
    """Checks tokens against the provider's published keys (OpenID Connect Discovery 1.0, RFC 7519)."""

    def __init__(self, issuer: str, audience: str, claim: str, roles: dict[str, Role]) -> None:
        """Know the provider; nothing is fetched yet.

        Args:
            issuer: the provider's URL, as its tokens name it.
            audience: what its tokens must be for.
            claim: the claim that lists roles; a dot goes down a level, as in `realm_access.roles`.
            roles: the role of ours that a value of that claim stands for.
        """
        self._issuer = issuer
        self._audience = audience
        self._claim = claim
        self._roles = roles
        self._keys: jwt.PyJWKClient | None = None

    def check(self, token: str) -> Claims:
        """Return what an accepted token says.

        Raises:
            BadToken: signature, issuer, audience or time is wrong.
            Unavailable: the provider's keys can't be fetched.
        """
        try:
            key = self._client().get_signing_key_from_jwt(token)
            found = jwt.decode(
                token,
                key,
                algorithms=ALGORITHMS,
                audience=self._audience,
                issuer=self._issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.PyJWKClientConnectionError as error:
            raise Unavailable(f"the keys of OIDC_ISSUER can't be fetched: {error}") from error
        except jwt.PyJWTError as error:
            raise BadToken(f"{type(error).__name__}: {error}") from error
        return Claims(str(found["sub"]), self._role(found))

    def _role(self, claims: dict[str, Any]) -> Role | None:
        value: Any = claims
        for part in self._claim.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        named = value.split() if isinstance(value, str) else value if isinstance(value, list) else []
        granted = {self._roles[name] for name in named if isinstance(name, str) and name in self._roles}
        return "operator" if "operator" in granted else "reader" if granted else None

    def _client(self) -> jwt.PyJWKClient:
        if self._keys is None:
            url = f"{self._issuer.rstrip('/')}/.well-known/openid-configuration"
            try:
                answer = urllib3.request("GET", url, timeout=TIMEOUT_SECONDS, retries=False)
                self._keys = jwt.PyJWKClient(msgspec.json.decode(answer.data)["jwks_uri"], timeout=TIMEOUT_SECONDS)
            except (urllib3.exceptions.HTTPError, msgspec.DecodeError, KeyError, TypeError) as error:
                raise Unavailable(f"OIDC_ISSUER's {url} can't be read: {error}") from error
        return self._keys
