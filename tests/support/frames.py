"""Rows of Spark compared with rows computed otherwise."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pyspark.sql import DataFrame

Row = Mapping[str, Any]


def rows_of(frame: DataFrame) -> list[dict[str, Any]]:
    """Return the frame's rows, timestamps as UTC without a zone."""
    rows: list[dict[str, Any]] = frame.toArrow().to_pylist()
    return [{name: _naive(value) for name, value in row.items()} for row in rows]


def _naive(value: Any) -> Any:
    return value.replace(tzinfo=None) if getattr(value, "tzinfo", None) else value


def assert_same_rows(
    found: Iterable[Row], expected: Iterable[Row], key: Sequence[str], *, deviations: Sequence[str] = ()
) -> None:
    """Compare rows by key: numbers at 1e-9 relative, the columns `deviations` at 1e-6, all else exactly."""
    by_key = _by_key(found, key)
    wanted = _by_key(expected, key)
    assert wanted, "nothing to compare"
    assert sorted(by_key.keys() - wanted.keys()) == [], "rows that must not be there"
    assert sorted(wanted.keys() - by_key.keys()) == [], "rows that are missing"
    for name, row in wanted.items():
        assert by_key[name].keys() == row.keys()
        wrong = {
            column: (by_key[name][column], value)
            for column, value in row.items()
            if not _equal(by_key[name][column], value, 1e-6 if column in deviations else 1e-9)
        }
        assert not wrong, f"{name}: found, expected: {wrong}"


def _by_key(rows: Iterable[Row], key: Sequence[str]) -> dict[tuple[Any, ...], Row]:
    by_key: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        identity = tuple(row[column] for column in key)
        assert identity not in by_key, f"two rows of {identity}"
        by_key[identity] = row
    return by_key


def _equal(found: Any, expected: Any, tolerance: float) -> bool:
    if isinstance(found, float) and isinstance(expected, float):
        return math.isclose(found, expected, rel_tol=tolerance)
    return bool(found == expected) and type(found) is type(expected)
