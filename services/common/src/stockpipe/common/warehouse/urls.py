"""The forms of WAREHOUSE_URL."""

from typing import Literal, cast, get_args
from urllib.parse import urlsplit

from stockpipe.common.errors import ConfigError

Dialect = Literal["duckdb"]

ACCEPTED = "duckdb:///absolute/file.duckdb"


def dialect_of(url: str) -> Dialect:
    """Return the dialect that the URL's scheme names.

    Raises:
        ConfigError: unknown scheme. The rest of the URL isn't shown: it may hold a password.
    """
    scheme = urlsplit(url).scheme
    if scheme not in get_args(Dialect):
        raise ConfigError(f"WAREHOUSE_URL must be {ACCEPTED}; its scheme {scheme!r} is unknown")
    return cast(Dialect, scheme)
