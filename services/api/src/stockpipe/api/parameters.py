"""Parameters that routes share, and the schemas of rows, made from the contract."""

import re
from datetime import date, datetime
from typing import Annotated, Any, Literal

from fastapi import Path
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, create_model

from stockpipe.api.formats import ARROW, CSV, PARQUET
from stockpipe.common.contracts.fields import SYMBOL_PATTERN
from stockpipe.common.contracts.tables import ColumnType, Table

SymbolText = Annotated[str, Field(pattern=SYMBOL_PATTERN)]
Symbol = Annotated[
    str, Path(pattern=SYMBOL_PATTERN, description="Ticker, as `/v1/symbols` lists it", examples=["AAPL"])
]
Order = Literal["asc", "desc"]

MOST_ROWS = 10_000

_PYTHON: dict[ColumnType, Any] = {
    "string": str,
    "double": float,
    "bigint": int,
    "int": int,
    "boolean": bool,
    "date": date,
    "timestamp": datetime,
}


def _as_text(value: object) -> object:
    """Refuse seconds since the epoch, which would pass for a date."""
    if isinstance(value, int | float) or (isinstance(value, str) and re.fullmatch(r"[-+]?[\d.]*", value)):
        raise ValueError("write it as 2013-03-01")
    return value


Day = Annotated[date, BeforeValidator(_as_text)]
Instant = Annotated[datetime, BeforeValidator(_as_text)]


class Parameters(BaseModel):
    """Query parameters; unknown ones are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def chosen_columns(example: str) -> Any:
    """Return the field of the parameter `columns` with an example that its route takes."""
    return Field(None, max_length=1000, description="Columns, comma-separated (default: all)", examples=[example])


class PageParameters(Parameters):
    """Which page of which columns."""

    columns: str | None = chosen_columns("date")
    order: Order = Field("asc", description="Oldest first (asc) or newest first (desc)")
    limit: int = Field(1000, ge=1, le=MOST_ROWS, description="Most rows of the page")
    cursor: str | None = Field(None, max_length=200, description="`next` of the page before")


class DayRange(Parameters):
    """Sessions from one date to another."""

    first: Day | None = Field(None, alias="from", description="First session, included", examples=["2013-01-01"])
    last: Day | None = Field(None, alias="to", description="Last session, included", examples=["2013-03-01"])


class DayPage(PageParameters, DayRange):
    """A page of sessions."""


class TimePage(PageParameters):
    """A page of windows."""

    columns: str | None = chosen_columns("window_start,close")
    first: Instant | None = Field(
        None,
        alias="from",
        description="Earliest start, included; UTC where no zone is given",
        examples=["2013-03-01T15:00:00Z"],
    )
    end: Instant | None = Field(
        None, alias="to", description="Latest start, not included", examples=["2013-03-01T16:00:00Z"]
    )


def row_model(name: str, table: Table) -> type[BaseModel]:
    """Return the schema of a row of the table; each column may be left out by `columns`."""
    fields: dict[str, Any] = {
        column.name: (_PYTHON[column.type] | None, Field(None, description=column.meaning)) for column in table.columns
    }
    return create_model(name, __doc__=f"A row of {table.database}.{table.name}.", **fields)


def page_model(name: str, row: type[BaseModel]) -> type[BaseModel]:
    """Return the schema of a page of rows."""
    return create_model(
        name,
        __doc__="A page of rows.",
        data=(list[row], ...),  # type: ignore[valid-type]
        next=(str | None, Field(None, description="Give it as `cursor` to get the next page; null at the end")),
    )


def tabular(page: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    """Return the description of an answer with rows in any of the formats."""
    formats = {media: {"schema": {"type": "string", "format": "binary"}} for media in (ARROW, PARQUET)}
    return {
        200: {
            "model": page,
            "description": "The rows; the header Link names the next page",
            "content": {CSV: {"schema": {"type": "string"}}, **formats},
        },
        304: {"description": "What If-None-Match names is still so"},
    }
