"""What an error of Snowflake means, and what to do about it.

The codes from 390000 are the log-in service's and those of 250000, 251000, 253000 and 290000 + HTTP status are the
connector's: `snowflake.connector.network` and `snowflake.connector.errorcode` list them. The others are the SQL
engine's, as quoted in its messages: 002003 and 002043 object, 003001 privilege, 000606 and 090073 warehouse, 000604
cancelled, 000625 lock, 000630 time-out. Snowflake publishes no complete list, so what isn't known here is judged by its
SQLSTATE and its kind.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from snowflake.connector import errors

from stockpipe.common.errors import ConfigError, PipelineError, Unavailable

_KEY = (
    "the key is not accepted: is its public half the RSA_PUBLIC_KEY (or RSA_PUBLIC_KEY_2) of SNOWFLAKE_USER, and is "
    "SNOWFLAKE_ACCOUNT right?"
)
_ROLE = "SNOWFLAKE_ROLE doesn't exist or isn't granted to SNOWFLAKE_USER"
_OBJECT = "it doesn't exist, or SNOWFLAKE_ROLE may not do this; run `stockpipe-loader migrate` or grant the privilege"
_WAREHOUSE = "SNOWFLAKE_WAREHOUSE can't be used: does it exist, is USAGE granted to SNOWFLAKE_ROLE, does it resume?"
_REACH = "can't be reached: check SNOWFLAKE_ACCOUNT, SNOWFLAKE_HOST and the network"
_SLOW = "took longer than SNOWFLAKE_STATEMENT_SECONDS or the warehouse's own limit, or was cancelled"
_LOCK = "another session holds the table longer than LOCK_SECONDS; the next try may find it free"

MEANINGS: dict[int, tuple[type[PipelineError], str]] = {
    390100: (ConfigError, "the password or the user is wrong: check SNOWFLAKE_USER and SNOWFLAKE_PASSWORD"),
    390144: (ConfigError, _KEY),
    **dict.fromkeys(range(394300, 394307), (ConfigError, _KEY)),
    390186: (ConfigError, _ROLE),
    390189: (ConfigError, _ROLE),
    390422: (ConfigError, "the network policy of SNOWFLAKE_USER doesn't admit this address"),
    2003: (ConfigError, _OBJECT),
    2043: (ConfigError, _OBJECT),
    3001: (ConfigError, _OBJECT),
    604: (Unavailable, _SLOW),
    606: (Unavailable, _WAREHOUSE),
    625: (Unavailable, _LOCK),
    630: (Unavailable, _SLOW),
    90073: (Unavailable, _WAREHOUSE),
}
"""Error number to the exception and its remedy."""

_SUSPENDED = re.compile(r"warehouse\b.*\b(suspended|cannot be resumed|can't be resumed)", re.IGNORECASE | re.DOTALL)
_CONNECTOR = (250001, 250002, 250003, 250005, 251011, 251012, 253003, 253009)
_NOISE = re.compile(r"^(?:\d{6}(?: \(\w+\))?: )?(?:[0-9a-f-]{36}: )?(?:None: )?")


@contextmanager
def translated(unavailable: type[Unavailable] = Unavailable) -> Iterator[None]:
    """Turn the connector's errors into ours; one that may pass becomes `unavailable`.

    Raises:
        ConfigError: a log-in, role or privilege is wrong, or an object is missing.
        PipelineError: a statement is refused.
        Unavailable: no server, no warehouse, a lock or a time-out.
    """
    try:
        yield
    except errors.Error as error:
        kind, remedy = _meaning(error)
        text = f"Snowflake: {_first_line(error)}" + (f" ({remedy})" if remedy else "")
        raise (unavailable if kind is Unavailable else kind)(text) from error


def _meaning(error: errors.Error) -> tuple[type[PipelineError], str]:
    if error.errno in MEANINGS:
        return MEANINGS[error.errno]
    if _SUSPENDED.search(str(error.msg)):
        return Unavailable, _WAREHOUSE
    if isinstance(error, errors.OperationalError) or not isinstance(error, errors.DatabaseError):
        return Unavailable, _REACH
    if error.errno in _CONNECTOR or str(error.sqlstate).startswith("08"):
        return Unavailable, _REACH
    return PipelineError, ""


def _first_line(error: errors.Error) -> str:
    lines = [line.strip() for line in _NOISE.sub("", str(error.msg)).splitlines() if line.strip()]
    if len(lines) > 1 and lines[0] == "SQL compilation error:":
        return f"{lines[0]} {lines[1]}"
    return lines[0] if lines else type(error).__name__
