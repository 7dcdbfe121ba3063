"""The forms of WAREHOUSE_URL."""

from typing import Literal, cast, get_args
from urllib.parse import urlsplit

from stockpipe.common.errors import ConfigError

Dialect = Literal["duckdb", "snowflake"]

DUCKDB = "duckdb:///absolute/file.duckdb"
SNOWFLAKE = "snowflake://"
ACCEPTED = f"{DUCKDB} or {SNOWFLAKE}"


def dialect_of(url: str) -> Dialect:
    """Return the dialect that the URL's scheme names.

    Raises:
        ConfigError: unknown scheme, or more than a scheme for Snowflake. The rest of the URL isn't shown: it may hold
            a password.
    """
    scheme = urlsplit(url).scheme
    if scheme not in get_args(Dialect):
        raise ConfigError(f"WAREHOUSE_URL must be {ACCEPTED}; its scheme {scheme!r} is unknown")
    if scheme == "snowflake" and url != SNOWFLAKE:
        raise ConfigError(f"WAREHOUSE_URL must be just {SNOWFLAKE}; account and log-in are settings SNOWFLAKE_...")
    return cast(Dialect, scheme)
