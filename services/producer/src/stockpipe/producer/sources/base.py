"""The interfaces of sources."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Protocol

from stockpipe.common.contracts.corporate_action import CorporateAction
from stockpipe.common.contracts.daily_bar import DailyBar
from stockpipe.common.contracts.quote import Quote
from stockpipe.producer.sources.errors import BadPayload, SourceError


@dataclass(frozen=True)
class BarQuery:
    """Daily bars of one symbol, sessions `first` to `last` of `exchange` included.

    `currency` is the one the source must answer in, None where any will do.
    """

    symbol: str
    first: date
    last: date
    exchange: str = "XNYS"
    currency: str | None = None


@dataclass(frozen=True)
class Fetch:
    """One request to a source: its id, when it was made (text form), and for which batch if for one."""

    id: str
    at: str
    batch_id: str = ""


@dataclass(frozen=True)
class Payload:
    """What a source answered: `request` is what was asked, in its own words, for lineage."""

    request: str
    body: bytes


@contextmanager
def refused_with(payload: Payload) -> Iterator[None]:
    """Give a BadPayload that is raised inside the payload's body."""
    try:
        yield
    except BadPayload as error:
        error.body = error.body or payload.body
        raise


@dataclass(frozen=True)
class Parsed:
    """What a payload holds: bars, oldest first, corporate actions, and how many rows were refused, by reason."""

    bars: list[DailyBar]
    actions: list[CorporateAction] = field(default_factory=list)
    refused: dict[str, int] = field(default_factory=dict)


class BarSource(Protocol):
    """Gives daily bars; `applies_splits` says whether a split changes all bars before it."""

    name: str
    applies_splits: bool

    def fetch_bars(self, query: BarQuery) -> Payload:
        """Ask the source.

        Raises:
            SourceError: the source gave no usable answer.
        """
        ...

    def parse_bars(self, query: BarQuery, payload: Payload, fetch: Fetch) -> Parsed:
        """Return what the payload holds within the query. Pure.

        Raises:
            BadPayload: the payload can't be understood.
            NoData: it holds no bar of the query.
        """
        ...


@dataclass(frozen=True)
class QuoteAnswer:
    """What one call brought: quotes, the symbols that have nothing new, and those it failed for.

    `request` is what was asked, in words.
    """

    request: str
    quotes: list[Quote]
    unchanged: frozenset[str] = frozenset()
    failed: Mapping[str, SourceError] = field(default_factory=dict)


class QuoteSource(Protocol):
    """Gives the quotes of a round; one call asks for at most `symbols_per_call`."""

    name: str
    symbols_per_call: int

    def quotes(self, symbols: Sequence[str], at: datetime, fetch: Fetch) -> QuoteAnswer:
        """Return at most one quote a symbol as of `at`.

        Raises:
            SourceError: the source gave nothing.
        """
        ...
