"""Instants as text: RFC 3339, UTC, milliseconds, always 24 characters.

Contracts carry instants in this one form, so text order is time order and a message, its raw row and its
manifest hold the same characters.
"""

from datetime import UTC, datetime
from functools import lru_cache

TEXT_LENGTH = 24


def to_text(instant: datetime) -> str:
    """Return `instant` as `2026-11-23T14:30:00.000Z`, cut to milliseconds.

    Raises:
        ValueError: `instant` has no time zone.
    """
    if instant.tzinfo is None:
        raise ValueError(f"instant {instant.isoformat()} has no time zone; attach one before formatting")
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{instant.microsecond // 1000:03d}Z"


def from_text(text: str) -> datetime:
    """Return the instant that `text` names, UTC.

    Raises:
        ValueError: `text` isn't in the form of `to_text`.
    """
    if not is_instant(text):
        raise ValueError(f"{text!r} is not an instant like 2026-11-23T14:30:00.000Z")
    return datetime.fromisoformat(text)


def from_millis(millis: int) -> datetime:
    """Return the instant `millis` milliseconds after the epoch, UTC."""
    return datetime.fromtimestamp(millis // 1000, UTC).replace(microsecond=millis % 1000 * 1000)


@lru_cache(maxsize=4096)
def _is_minute(text: str) -> bool:
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M").strftime("%Y-%m-%dT%H:%M") == text
    except ValueError:
        return False


@lru_cache(maxsize=4096)
def _is_second_tail(text: str) -> bool:
    digits = text[1:3] + text[4:7]
    return (
        len(text) == 8
        and text[0] == ":"
        and text[3] == "."
        and text[7] == "Z"
        and digits.isascii()
        and digits.isdigit()
        and digits[0] < "6"
    )


def is_instant(text: str) -> bool:
    """Return whether `text` is a valid instant in the form of `to_text`; both halves are cached."""
    return _is_minute(text[:16]) and _is_second_tail(text[16:])


@lru_cache(maxsize=65_536)
def is_date(text: str) -> bool:
    """Return whether `text` is a calendar date like 2026-11-23."""
    try:
        return datetime.strptime(text, "%Y-%m-%d").strftime("%Y-%m-%d") == text
    except ValueError:
        return False
