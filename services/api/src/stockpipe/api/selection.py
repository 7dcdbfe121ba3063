"""Rows of one symbol as one SELECT: names come from the contract, every value is a parameter."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import msgspec
import pyarrow as pa

from stockpipe.api.problems import ApiProblem
from stockpipe.common.contracts.tables import Table
from stockpipe.common.warehouse.reader import WarehouseReader


@dataclass(frozen=True)
class Selection:
    """Rows of `symbol` with `first <= time < end`, in time order, at most `limit` of them; None is unbounded.

    The time is the table's second key column: a session date, or the start of a window (UTC, no zone).
    """

    table: Table
    symbol: str
    columns: Sequence[str]
    first: date | None
    end: date | None
    after: date | None
    limit: int
    descending: bool


def select(reader: WarehouseReader, wanted: Selection) -> tuple[pa.Table, str | None]:
    """Return the rows, and the cursor of those that follow, None at the end."""
    time = wanted.table.key[1]
    conditions, parameters = ["symbol = ?"], [wanted.symbol]
    after = "<" if wanted.descending else ">"
    for comparison, value in ((">=", wanted.first), ("<", wanted.end), (after, wanted.after)):
        if value is not None:
            conditions.append(f"{time} {comparison} ?")
            parameters.append(value)  # type: ignore[arg-type]
    columns = list(dict.fromkeys([*wanted.columns, time]))
    found = reader.query(
        f"SELECT {', '.join(columns)} FROM {reader.qualified(wanted.table)} WHERE {' AND '.join(conditions)} "
        f"ORDER BY {time} {'DESC' if wanted.descending else 'ASC'} LIMIT {wanted.limit + 1}",
        parameters,
    ).rename_columns(columns)
    rows = found.slice(0, wanted.limit)
    cursor = encode_cursor(rows[time][-1].as_py()) if found.num_rows > wanted.limit else None
    return _typed(rows, wanted.table).select(list(wanted.columns)), cursor


def _typed(rows: pa.Table, table: Table) -> pa.Table:
    """Give the columns the contract's types: a warehouse may answer with wider whole numbers."""
    schema = table.arrow_schema
    return rows.cast(pa.schema([schema.field(name).with_nullable(True) for name in rows.column_names]))


def column_list(text: str | None, table: Table) -> tuple[str, ...]:
    """Return the columns that a comma-separated list names, all without one.

    Raises:
        ApiProblem: 422, one is unknown.
    """
    if not text:
        return table.column_names
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    unknown = [name for name in names if name not in table.column_names]
    if unknown:
        raise ApiProblem(
            422, f"query.columns names unknown columns {unknown[:5]!r}; known are {', '.join(table.column_names)}"
        )
    return names


def encode_cursor(value: date) -> str:
    """Return the time of the last row, opaque."""
    return base64.urlsafe_b64encode(msgspec.json.encode(value)).decode().rstrip("=")


def decode_cursor(text: str | None, kind: type[date]) -> date | None:
    """Return the time that a cursor stands for.

    Raises:
        ApiProblem: 422, it isn't one of this table.
    """
    if text is None:
        return None
    try:
        found = msgspec.json.decode(base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True), type=kind)
    except (binascii.Error, ValueError, msgspec.DecodeError):
        raise ApiProblem(422, "query.cursor isn't one that this route gave; leave it out to begin anew") from None
    return found.replace(tzinfo=None) if isinstance(found, datetime) else found
