"""Which bucket the settings mean, and how to reach it."""

import re
import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr

from stockpipe.common.errors import ConfigError
from stockpipe.common.settings import OptionalLakeSettings

_AWS = "s3.amazonaws.com"
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


@dataclass(frozen=True)
class Role:
    """An IAM role, the token that may take it and the URL of the service that gives its credentials."""

    arn: str
    token_file: Path
    token_service: str


@dataclass(frozen=True)
class Bucket:
    """A bucket, the endpoint that serves it (`host[:port]`) and who we are there; with a role the keys are empty."""

    name: str
    endpoint: str
    secure: bool
    access_key: str
    secret_key: SecretStr
    region: str
    ca_file: Path | None
    role: Role | None = None

    @property
    def on_aws(self) -> bool:
        """Return whether the bucket is Amazon's own; there its name is part of the host name."""
        return self.endpoint == _AWS

    @classmethod
    def of(cls, settings: OptionalLakeSettings) -> "Bucket":
        """Return the bucket of a LAKE_URL `s3://bucket`.

        Raises:
            ConfigError: a setting is missing or has a wrong form.
        """
        url = urlsplit(settings.lake_url or "")
        if url.scheme != "s3" or not _NAME.fullmatch(url.netloc) or url.path.strip("/") or url.query:
            raise ConfigError(
                f"LAKE_URL {settings.lake_url!r} must be s3://bucket, without a folder; a bucket's name has 3 to 63 "
                "of a-z 0-9 . -"
            )
        access_key, secret_key, role = _identity(settings)
        endpoint, secure = _endpoint(settings.minio_endpoint)
        if settings.minio_ca_file and not secure:
            raise ConfigError(
                f"MINIO_CA_FILE is given, but MINIO_ENDPOINT {settings.minio_endpoint!r} isn't https://host[:port]"
            )
        if settings.minio_ca_file:
            _check_ca(settings.minio_ca_file)
        return cls(
            name=url.netloc,
            endpoint=endpoint,
            secure=secure,
            access_key=access_key,
            secret_key=secret_key,
            region=settings.minio_region,
            ca_file=settings.minio_ca_file,
            role=role,
        )


def _identity(settings: OptionalLakeSettings) -> tuple[str, SecretStr, Role | None]:
    """Return the keys, or empty ones and the role to take."""
    access_key, secret_key = settings.minio_access_key, settings.minio_secret_key
    if access_key is not None and secret_key is not None:
        return access_key.get_secret_value(), secret_key, None
    arn, token_file = settings.aws_role_arn, settings.aws_web_identity_token_file
    if access_key is None and secret_key is None and arn is not None and token_file is not None:
        return "", SecretStr(""), Role(arn, token_file, f"https://sts.{settings.minio_region}.amazonaws.com")
    raise ConfigError(
        f"LAKE_URL {settings.lake_url} needs MINIO_ACCESS_KEY and MINIO_SECRET_KEY (or MINIO_ACCESS_KEY_FILE and "
        "MINIO_SECRET_KEY_FILE); or AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE, without keys"
    )


def _endpoint(text: str | None) -> tuple[str, bool]:
    """Return `host[:port]` and whether it is reached by TLS."""
    if text is None:
        return _AWS, True
    url = urlsplit(text if "://" in text else f"http://{text}")
    if "@" in url.netloc:
        raise ConfigError("MINIO_ENDPOINT may hold no user and no password; set MINIO_ACCESS_KEY and MINIO_SECRET_KEY")
    try:
        valid = url.scheme in ("http", "https") and bool(url.hostname) and (url.port or 0) >= 0
    except ValueError:
        valid = False
    if not valid or url.path.strip("/") or url.query:
        raise ConfigError(f"MINIO_ENDPOINT {text!r} must be http(s)://host[:port], or host:port for http")
    return url.netloc, url.scheme == "https"


def _check_ca(file: Path) -> None:
    try:
        ssl.create_default_context(cafile=file)
    except OSError as error:
        raise ConfigError(f"MINIO_CA_FILE {str(file)!r} gives no certificate: {error.strerror or error}") from error
