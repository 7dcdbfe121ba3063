"""The interfaces of sources."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from stockpipe.common.contracts.daily_bar import DailyBar
from stockpipe.common.contracts.quote import Quote


@dataclass(frozen=True)
class BarQuery:
    """Daily bars of one symbol, sessions `first` to `last` included."""

    symbol: str
    first: date
    last: date


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


class BarSource(Protocol):
    """Gives daily bars."""

    name: str

    def fetch_bars(self, query: BarQuery) -> Payload:
        """Ask the source.

        Raises:
            SourceError: the source gave no usable answer.
        """
        ...

    def parse_bars(self, query: BarQuery, payload: Payload, fetch: Fetch) -> list[DailyBar]:
        """Return the payload's bars within the query, oldest first. Pure.

        Raises:
            BadPayload: the payload can't be understood.
            NoData: it holds no bar of the query.
        """
        ...


class QuoteSource(Protocol):
    """Gives the quotes of a round."""

    name: str

    def quotes(self, symbols: Sequence[str], at: datetime, fetch: Fetch) -> tuple[str, list[Quote]]:
        """Return what was asked, in words, and at most one quote a symbol as of `at`.

        A symbol the source can't give at the moment is left out.

        Raises:
            SourceError: the source gave nothing.
        """
        ...
