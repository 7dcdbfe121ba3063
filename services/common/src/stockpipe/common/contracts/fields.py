"""Field types that the message contracts share.

The patterns go into the JSON Schema and are checked in `check_text` and `origin_fault`, not by msgspec: a cached
look-up costs a fraction of a regular expression, and the same few hundred values come again and again. What belongs
together is looked up together: a look-up for each text cost a fifth of the consumer's time.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import starmap
from operator import attrgetter
from typing import Annotated, Any, Literal

from msgspec import Meta

from stockpipe.common.times import is_instant

SYMBOL_PATTERN = r"^[A-Z0-9.^=-]{1,16}$"
CURRENCY_PATTERN = r"^[A-Z]{3}$"
MIC_PATTERN = r"^[A-Z0-9]{4}$"
NAME_PATTERN = r"^[a-z][a-z0-9_-]{0,31}$"
ID_PATTERN = r"^[A-Za-z0-9._:-]{1,128}$"
INSTANT_PATTERN = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$"
DATE_PATTERN = r"^\d{4}-\d{2}-\d{2}$"

MAX_PRICE = 1e12
MAX_VOLUME = 2**53 - 1
"""The largest integer that every JSON reader keeps exactly."""

Symbol = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=16,
        description="Ticker as the source spells it",
        extra_json_schema={"pattern": SYMBOL_PATTERN},
    ),
]
Instant = Annotated[
    str,
    Meta(
        min_length=24,
        max_length=24,
        description="RFC 3339, UTC, milliseconds",
        extra_json_schema={"pattern": INSTANT_PATTERN},
    ),
]
Date = Annotated[
    str,
    Meta(
        min_length=10,
        max_length=10,
        description="Exchange session date, ISO 8601",
        extra_json_schema={"pattern": DATE_PATTERN},
    ),
]
Price = Annotated[float, Meta(gt=0, le=MAX_PRICE, description="Price of one share, in `currency`")]
Dividend = Annotated[float, Meta(ge=0, le=MAX_PRICE, description="Cash a share, in `currency`, on its ex-date")]
SplitRatio = Annotated[float, Meta(gt=0, le=1e6, description="New shares for one old share; 1 = no split")]
Volume = Annotated[int, Meta(ge=0, le=MAX_VOLUME, description="Shares traded")]
Currency = Annotated[
    str,
    Meta(min_length=3, max_length=3, description="ISO 4217", extra_json_schema={"pattern": CURRENCY_PATTERN}),
]
Mic = Annotated[
    str,
    Meta(
        min_length=4,
        max_length=4,
        description="Exchange of the symbol's primary listing, ISO 10383 MIC",
        extra_json_schema={"pattern": MIC_PATTERN},
    ),
]
SourceName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=32,
        description="Source that answered",
        extra_json_schema={"pattern": NAME_PATTERN},
    ),
]
Identifier = Annotated[str, Meta(min_length=1, max_length=128, extra_json_schema={"pattern": ID_PATTERN})]
Origin = Literal["live", "backfill", "replay", "simulated"]
MarketSession = Literal["pre", "regular", "post", "closed"]


@lru_cache(maxsize=4096)
def check_text(pattern: str, text: str) -> bool:
    """Return whether the whole of `text` matches `pattern`, one of this module's patterns."""
    return re.fullmatch(pattern, text) is not None


def origin_fault(
    symbol: str, currency: str, exchange: str | None, source: str, fetched_at: str, fetch_id: str
) -> str | None:
    """Return the first of these texts that is out of form, by name and value; None if there is none."""
    return _stock_fault(symbol, currency, exchange, source) or _fetch_fault(fetched_at, fetch_id)


_STOCK = attrgetter("symbol", "currency", "exchange", "source")
_FETCH = attrgetter("fetched_at", "fetch_id")


def origins_are_good(records: Sequence[Any]) -> bool:
    """Return whether `origin_fault` finds nothing in any of the records; what they share is looked at once."""
    return not any(starmap(_stock_fault, set(map(_STOCK, records)))) and not any(
        starmap(_fetch_fault, set(map(_FETCH, records)))
    )


@lru_cache(maxsize=65_536)
def _stock_fault(symbol: str, currency: str, exchange: str | None, source: str) -> str | None:
    """Look at what all records of a symbol share."""
    if not check_text(SYMBOL_PATTERN, symbol):
        return f"symbol {symbol!r}"
    if not check_text(CURRENCY_PATTERN, currency):
        return f"currency {currency!r}"
    if exchange is not None and not check_text(MIC_PATTERN, exchange):
        return f"exchange {exchange!r}"
    if not check_text(NAME_PATTERN, source):
        return f"source {source!r}"
    return None


@lru_cache(maxsize=4096)
def _fetch_fault(fetched_at: str, fetch_id: str) -> str | None:
    """Look at what all records of one request share."""
    if not is_instant(fetched_at):
        return f"fetched_at {fetched_at!r}"
    if not check_text(ID_PATTERN, fetch_id):
        return f"fetch_id {fetch_id!r}"
    return None
