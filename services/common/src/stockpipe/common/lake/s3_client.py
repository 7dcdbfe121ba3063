"""The client of a bucket: every write it sends is a create, every request has time-outs and bounded retries."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import certifi
import urllib3
from minio import Minio
from urllib3.response import BaseHTTPResponse
from urllib3.util import Retry, Timeout

from stockpipe.common.lake.s3_bucket import Bucket
from stockpipe.common.lake.s3_role import RoleCredentials

_HEALS = (408, 409, 429, 500, 502, 503, 504, 507)


@dataclass(frozen=True)
class Patience:
    """How long a request may take, in seconds, and how often one that failed is sent again.

    `connect` also bounds the sending of one request's body, `read` the wait for each piece of the answer. The first
    retry follows at once, the next ones after `backoff` times 2, 4, 8, ... and up to `backoff` more by chance.
    """

    connect: float = 15.0
    read: float = 30.0
    retries: int = 4
    backoff: float = 0.5


PATIENCE = Patience()


class _CreateOnlyPool(urllib3.PoolManager):
    """Adds the condition that the key is free to whatever would write an object.

    The client's public methods can't say it; those that take headers turn this one into metadata. Answers are read
    here as a whole, so that one which breaks off is asked for again.
    """

    def urlopen(  # type: ignore[override] # its answers are of this base class, whatever it declares
        self, method: str, url: str, redirect: bool = True, **options: Any
    ) -> BaseHTTPResponse:
        query = parse_qs(urlsplit(url).query, keep_blank_values=True)
        if (method == "PUT" and "partNumber" not in query) or (method == "POST" and "uploadId" in query):
            options["headers"]["If-None-Match"] = "*"
        return super().urlopen(method, url, redirect, **(options | {"preload_content": True}))


def new_client(bucket: Bucket, patience: Patience) -> Minio:
    """Return a client for the bucket's server; it connects when it is used."""
    pool = _CreateOnlyPool(
        maxsize=32,
        timeout=Timeout(connect=patience.connect, read=patience.read),
        retries=Retry(
            total=patience.retries,
            other=0,  # neither network nor server: a certificate doesn't heal
            allowed_methods=None,
            status_forcelist=_HEALS,
            backoff_factor=patience.backoff,
            backoff_jitter=patience.backoff,
            respect_retry_after_header=False,  # MinIO asks for a minute, whatever ails it
        ),
        cert_reqs="CERT_REQUIRED",
        ca_certs=str(bucket.ca_file or certifi.where()),
    )
    return Minio(
        bucket.endpoint,
        bucket.access_key or None,
        bucket.secret_key.get_secret_value() or None,
        secure=bucket.secure,
        region=bucket.region,
        http_client=pool,
        credentials=RoleCredentials(bucket.role, pool) if bucket.role else None,
    )
