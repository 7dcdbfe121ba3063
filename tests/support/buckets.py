"""Buckets for tests, and stores on them."""

import itertools
from pathlib import Path

import pytest
from minio import Minio
from pydantic import SecretStr

from stockpipe.common.lake.s3 import S3Store
from stockpipe.common.lake.s3_bucket import Bucket
from stockpipe.common.lake.s3_client import Patience
from stockpipe.standalone.go_programs import MINIO
from stockpipe.standalone.minio import MinioServer

IMPATIENT = Patience(connect=1.0, read=1.0, retries=4, backoff=0.02)
PART_BYTES = 5 * 1024 * 1024

_numbers = itertools.count(1)


def require_minio() -> None:
    """Skip the test where there is no MinIO server."""
    if MINIO.find() is None:
        pytest.skip("no MinIO server: `make test` builds one if Go is installed, or put minio on the PATH")


def new_name() -> str:
    """Return the name of a bucket that no other test uses."""
    return f"bucket-{next(_numbers)}"


def bucket_of(
    minio: MinioServer,
    name: str,
    *,
    address: tuple[str, int] | None = None,
    access_key: str | None = None,
    secret_key: str | None = None,
    ca_file: Path | None = None,
    public_ca: bool = False,
    secure: bool | None = None,
) -> Bucket:
    """Return a bucket of the server, reached at `address` instead of directly, or with other credentials."""
    host, port = address or minio.address
    return Bucket(
        name=name,
        endpoint=f"{host}:{port}",
        secure=minio.ca_file is not None if secure is None else secure,
        access_key=access_key or minio.access_key,
        secret_key=SecretStr(secret_key or minio.secret_key),
        region="us-east-1",
        ca_file=None if public_ca else ca_file or minio.ca_file,
    )


def new_store(minio: MinioServer, *, address: tuple[str, int] | None = None, patience: Patience = IMPATIENT) -> S3Store:
    """Return a store on a new bucket, reached at `address` instead of directly."""
    name = new_name()
    minio.create_bucket(name)
    return S3Store(bucket_of(minio, name, address=address), patience=patience, part_bytes=PART_BYTES)


def emulated_bucket(address: tuple[str, int]) -> Bucket:
    """Return a new bucket of an emulator, which lets anyone in."""
    host, port = address
    bucket = Bucket(new_name(), f"{host}:{port}", False, "anyone", SecretStr("anything"), "us-east-1", None)
    Minio(bucket.endpoint, "anyone", "anything", secure=False, region="us-east-1").make_bucket(bucket.name)
    return bucket
