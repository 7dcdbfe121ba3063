"""A bucket that is reached by a role: MinIO gives and takes its credentials, for the token of an OpenID provider."""

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from stockpipe.common.clock import SystemClock
from stockpipe.common.errors import ConfigError
from stockpipe.common.lake.s3 import S3Store
from stockpipe.common.lake.s3_bucket import Bucket, Role
from stockpipe.common.lake.store import StoreRefused, StoreUnavailable
from stockpipe.common.settings import LakeSettings
from stockpipe.standalone.minio import running_minio
from stockpipe.standalone.ports import free_ports
from support.buckets import IMPATIENT, bucket_of, require_minio
from support.openid import running_openid
from support.waiting import eventually

AUDIENCE = "sts.tests"
# how MinIO names the role of an OpenID client
ARN = "arn:minio:iam:::role/" + base64.urlsafe_b64encode(hashlib.sha1(AUDIENCE.encode()).digest()).decode().rstrip("=")


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    """A bucket of a server that trusts the provider, to be reached by the role of a good token."""
    require_minio()
    folder = tmp_path_factory.mktemp("role")
    with running_openid() as provider:
        trust = {
            "MINIO_IDENTITY_OPENID_CONFIG_URL": f"{provider.url}/.well-known/openid-configuration",
            "MINIO_IDENTITY_OPENID_CLIENT_ID": AUDIENCE,
            "MINIO_IDENTITY_OPENID_CLIENT_SECRET": "unused",
            "MINIO_IDENTITY_OPENID_ROLE_POLICY": "readwrite",
        }
        with running_minio(folder / "minio", environment=trust) as minio:
            minio.create_bucket("lake")
            token = folder / "token"
            token.write_text(provider.token(AUDIENCE, SystemClock().now()))
            keyless = replace(bucket_of(minio, "lake"), access_key="", secret_key=SecretStr(""))
            by_role = replace(keyless, role=Role(ARN, token, minio.endpoint))
            # a server learns of its provider some moments after it is ready
            eventually(lambda: is_admitted(by_role), "MinIO knows the role")
            yield by_role


def is_admitted(bucket: Bucket) -> bool:
    try:
        S3Store(bucket, patience=IMPATIENT)
    except StoreRefused:
        return False
    return True


def with_role(bucket: Bucket, changes: dict[str, Any]) -> Bucket:
    assert bucket.role
    return replace(bucket, role=replace(bucket.role, **changes))


def test_the_role_of_the_token_reaches_the_lake(bucket: Bucket) -> None:
    store = S3Store(bucket, patience=IMPATIENT)
    store.create("key", b"content")
    assert store.get("key") == b"content"


def test_what_is_wrong_is_named_and_the_token_is_not(bucket: Bucket, tmp_path: Path) -> None:
    assert bucket.role
    (port,) = free_ports(1)
    forged = tmp_path / "forged"
    forged.write_text(bucket.role.token_file.read_text()[:-20] + "A" * 20)
    unread = r"AWS_WEB_IDENTITY_TOKEN_FILE='.*none' can't be read: No such file"
    for changes, kind, message in (
        ({"token_service": f"http://127.0.0.1:{port}"}, StoreUnavailable, r"token service .*:\d+ can't be reached"),
        ({"token_file": tmp_path / "none"}, ConfigError, unread),
        ({"token_file": forged}, StoreRefused, r"refuses the role arn:minio.*; check AWS_ROLE_ARN"),
        ({"arn": "arn:minio:iam:::role/other"}, StoreRefused, r"refuses the role arn:minio:iam:::role/other"),
    ):
        with pytest.raises(kind, match=message) as error:
            S3Store(with_role(bucket, changes), patience=IMPATIENT)
        assert "eyJ" not in str(error.value), "every token begins so"


def test_keys_beat_a_role_and_half_of_either_is_an_error() -> None:
    role = {"aws_role_arn": ARN, "aws_web_identity_token_file": "/token"}
    keys = {"minio_access_key": "reader", "minio_secret_key": "hush"}
    url = "s3://stock-market-data"
    assert Bucket.of(LakeSettings.model_validate({"lake_url": url} | role | keys)).role is None
    taken = Bucket.of(LakeSettings.model_validate({"lake_url": url, "minio_region": "eu-central-1"} | role))
    assert taken.role == Role(ARN, Path("/token"), "https://sts.eu-central-1.amazonaws.com")
    for part in ({"aws_role_arn": ARN}, {"minio_access_key": "reader"} | role):
        with pytest.raises(ConfigError, match="or AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE, without keys"):
            Bucket.of(LakeSettings.model_validate({"lake_url": url} | part))
