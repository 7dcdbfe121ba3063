"""Logs in to Snowflake."""

from typing import Any
from urllib.parse import urlsplit

import msgspec
import snowflake.connector
from snowflake.connector import SnowflakeConnection

from stockpipe.common.errors import ConfigError, Unavailable
from stockpipe.common.settings import WarehouseSettings
from stockpipe.common.warehouse.snowflake_errors import translated


def query_tag(service: str, **about: str) -> str:
    """Return the QUERY_TAG by which Snowflake's query history tells whose statement it was and for what."""
    return msgspec.json.encode({"service": service, **about}).decode()


def log_in(
    settings: WarehouseSettings, service: str, unavailable: type[Unavailable] = Unavailable, **parameters: Any
) -> SnowflakeConnection:
    """Return an open connection in UTC, `?` for parameters; the caller closes it.

    Args:
        settings: account, user, key or password, and so on.
        service: who logs in, for the query history.
        unavailable: raised if the server can't be reached.
        parameters: further parameters of the session.

    Raises:
        ConfigError: a setting is missing or wrong, or Snowflake refuses user, key, password or role.
        Unavailable: the server can't be reached in SNOWFLAKE_LOGIN_SECONDS.
    """
    arguments = _required(settings) | _credentials(settings) | _address(settings)
    session = {"TIMEZONE": "UTC", "TIMESTAMP_TYPE_MAPPING": "TIMESTAMP_NTZ", "QUERY_TAG": query_tag(service)}
    try:
        with translated(unavailable):
            return snowflake.connector.connect(
                **arguments,
                warehouse=settings.snowflake_warehouse,
                role=settings.snowflake_role,
                application="stockpipe",
                paramstyle="qmark",
                autocommit=True,
                login_timeout=settings.snowflake_login_seconds,
                network_timeout=settings.snowflake_statement_seconds,
                session_parameters=session | parameters,
                # Looks for metadata services of the clouds at each log-in otherwise.
                platform_detection_timeout_seconds=0.0,
            )
    except (OSError, ValueError, TypeError) as error:
        if settings.snowflake_private_key_file is None:
            raise
        raise ConfigError(
            f"SNOWFLAKE_PRIVATE_KEY_FILE='{settings.snowflake_private_key_file}' can't be read as a private key; it "
            "must be PEM, and SNOWFLAKE_PRIVATE_KEY_PASSPHRASE must be set if and only if the key is encrypted"
        ) from error


def _required(settings: WarehouseSettings) -> dict[str, Any]:
    needed = {"SNOWFLAKE_ACCOUNT": settings.snowflake_account, "SNOWFLAKE_USER": settings.snowflake_user}
    login = settings.snowflake_private_key_file or settings.snowflake_password
    missing = [name for name, value in needed.items() if not value]
    missing += [] if login else ["SNOWFLAKE_PRIVATE_KEY_FILE (or SNOWFLAKE_PASSWORD)"]
    if missing:
        raise ConfigError(f"WAREHOUSE_URL=snowflake:// needs {', '.join(missing)}")
    return {"account": settings.snowflake_account, "user": settings.snowflake_user}


def _credentials(settings: WarehouseSettings) -> dict[str, Any]:
    if settings.snowflake_private_key_file and settings.snowflake_password:
        raise ConfigError("give either SNOWFLAKE_PRIVATE_KEY_FILE or SNOWFLAKE_PASSWORD, not both")
    if settings.snowflake_password:
        return {"password": settings.snowflake_password.get_secret_value()}
    passphrase = settings.snowflake_private_key_passphrase
    return {
        "authenticator": "SNOWFLAKE_JWT",
        "private_key_file": str(settings.snowflake_private_key_file),
        "private_key_file_pwd": passphrase.get_secret_value() if passphrase else None,
    }


def _address(settings: WarehouseSettings) -> dict[str, Any]:
    if settings.snowflake_host is None:
        return {}
    parts = urlsplit(settings.snowflake_host)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.path.strip("/"):
        raise ConfigError("SNOWFLAKE_HOST must be https://host or https://host:port")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return {"host": parts.hostname, "port": port, "protocol": parts.scheme}
