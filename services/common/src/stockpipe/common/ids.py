"""Identifiers: made from a time and a source of entropy that the caller gives, so tests can fix both."""

import re
import secrets
from collections.abc import Callable
from datetime import UTC, date, datetime

from stockpipe.common.errors import ConfigError

Entropy = Callable[[], str]

_BATCH_ID = re.compile(r"(\d{8})T\d{6}Z-[a-z0-9][a-z0-9-]{0,99}")


def random_suffix() -> str:
    """Return six random hexadecimal digits."""
    return secrets.token_hex(3)


def batch_id(now: datetime, name: str) -> str:
    """Return `20261123T143000Z-<name>`: ids sort by time, and the day of a batch follows from its id."""
    return f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{name}"


def batch_day(identifier: str) -> date:
    """Return the UTC day that a batch id begins with.

    Raises:
        ConfigError: the id has another form.
    """
    match = _BATCH_ID.fullmatch(identifier)
    if match:
        try:
            return datetime.strptime(match[1], "%Y%m%d").date()
        except ValueError:
            pass
    raise ConfigError(
        f"batch id {identifier!r} must look like 20261123T143000Z-name (UTC time, then lower-case letters, digits, -)"
    )


def fetch_id(source: str, now: datetime, suffix: str) -> str:
    """Return the id of one request to a source: `sample-20261123T143000123Z-1a2b3c`."""
    utc = now.astimezone(UTC)
    return f"{source}-{utc:%Y%m%dT%H%M%S}{utc.microsecond // 1000:03d}Z-{suffix}"
