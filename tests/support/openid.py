"""An OpenID provider on the loopback interface, as a Kubernetes cluster is one for its service accounts' tokens."""

import contextlib
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from support.background import answering

KEY_ID = "tests"


class OpenId:
    """A provider with one key."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    @property
    def documents(self) -> dict[str, Any]:
        """Return what the provider publishes, by path."""
        public = jwt.algorithms.RSAAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        return {
            "/.well-known/openid-configuration": {
                "issuer": self.url,
                "jwks_uri": f"{self.url}/keys",
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "response_types_supported": ["id_token"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
            },
            "/keys": {"keys": [{**public, "kid": KEY_ID, "use": "sig", "alg": "RS256"}]},
        }

    def token(self, audience: str, now: datetime) -> str:
        """Return a token for the audience that expires in an hour."""
        claims = {"iss": self.url, "sub": "system:serviceaccount:stock-market:test", "aud": audience}
        times = {"iat": now, "exp": now + timedelta(hours=1)}
        return jwt.encode(claims | times, self._key, "RS256", {"kid": KEY_ID})


@contextlib.contextmanager
def running_openid() -> Iterator[OpenId]:
    """Serve a provider until the end."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            document = provider.documents.get(self.path)
            self.send_response(200 if document else 404)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(document).encode())

        def log_message(self, *_args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider = OpenId(f"http://127.0.0.1:{server.server_port}")
    with answering(server):
        yield provider
