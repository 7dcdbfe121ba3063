"""Bearer tokens of an OpenID Connect provider, which here is a small server with keys of its own."""

import base64
import hmac
import json
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from starlette.testclient import TestClient

from support.api import ApiSite
from support.background import answering

AUDIENCE = "stockpipe-api"


class Provider:
    """Publishes one key, and signs tokens with it."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps(provider.documents()[self.path]).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def documents(self) -> dict[str, Any]:
        public = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(self.key.public_key()))
        return {
            "/.well-known/openid-configuration": {"issuer": self.url, "jwks_uri": f"{self.url}/keys"},
            "/keys": {"keys": [public | {"kid": "one", "use": "sig", "alg": "ES256"}]},
        }

    def token(self, key: Any = None, algorithm: str = "ES256", kid: str = "one", **changes: Any) -> str:
        now = int(time.time())
        claims = {"iss": self.url, "aud": AUDIENCE, "sub": "ann", "exp": now + 300, "roles": ["stockpipe-reader"]}
        claims = {name: value for name, value in (claims | changes).items() if value is not None}
        return jwt.encode(claims, self.key if key is None else key, algorithm, headers={"kid": kid})


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    running = Provider()
    with answering(running.server):
        yield running


@pytest.fixture
def client(shared: ApiSite, client_of: Any, provider: Provider) -> TestClient:
    client: TestClient = client_of(shared, oidc_issuer=provider.url, oidc_audience=AUDIENCE)
    return client


def status(client: TestClient, token: str, path: str = "/v1/symbols") -> int:
    return client.get(path, headers={"Authorization": f"Bearer {token}"}).status_code


def test_a_token_gives_the_role_that_it_names(client: TestClient, provider: Provider) -> None:
    reader, operator = provider.token(), provider.token(roles=["x", "stockpipe-operator"])
    assert [status(client, reader), status(client, reader, "/v1/books")] == [200, 403]
    assert [status(client, operator), status(client, operator, "/v1/books")] == [200, 200]


def test_roles_may_lie_deeper_or_be_one_text(shared: ApiSite, client_of: Any, provider: Provider) -> None:
    claim = {"oidc_roles_claim": "realm_access.roles", "oidc_reader_role": "quotes"}
    client = client_of(shared, oidc_issuer=provider.url, oidc_audience=AUDIENCE, **claim)
    assert status(client, provider.token(realm_access={"roles": ["quotes"]})) == 200
    assert status(client, provider.token(realm_access={"roles": "other quotes"})) == 200
    assert status(client, provider.token()) == 401


STRANGER = ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(65537, 2048)


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "another"},
        {"iss": "https://evil.example"},
        {"exp": 1},
        {"exp": None},
        {"sub": None},
        {"nbf": 9_999_999_999},
        {"roles": []},
        {"roles": None},
        {"roles": {"stockpipe-operator": True}},
        {"key": STRANGER},
        {"kid": "two"},
        {"key": RSA, "algorithm": "RS256"},
        {"key": "x" * 64, "algorithm": "HS256"},
        {"key": "", "algorithm": "none"},
    ],
    ids=lambda changes: ",".join(
        f"{name}={value if isinstance(value, str) else type(value).__name__}" for name, value in changes.items()
    ),
)
def test_a_token_that_does_not_hold_is_refused(client: TestClient, provider: Provider, changes: dict[str, Any]) -> None:
    assert status(client, provider.token(**changes)) == 401


def test_a_public_key_is_no_shared_secret(client: TestClient, provider: Provider) -> None:
    public = provider.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    head, body, _ = provider.token(key="x" * 64, algorithm="HS256").split(".")
    forged = hmac.digest(public, f"{head}.{body}".encode(), "sha256")
    assert status(client, f"{head}.{body}.{base64.urlsafe_b64encode(forged).decode().rstrip('=')}") == 401


def test_a_provider_that_is_down_is_not_the_callers_fault(shared: ApiSite, client_of: Any, provider: Provider) -> None:
    client = client_of(shared, oidc_issuer="http://127.0.0.1:9", oidc_audience=AUDIENCE)
    assert status(client, provider.token()) == 503


def test_keys_go_on_working_beside_tokens(own: ApiSite, client_of: Any, provider: Provider) -> None:
    client = client_of(own, oidc_issuer=provider.url, oidc_audience=AUDIENCE)
    assert status(client, own.key()) == 200
    assert status(client, "") == 401
