"""What can go wrong at a source.

SourceError
├── RateLimited         too many requests; a later one may work
├── QuotaExhausted      the plan's budget is used up until it renews
├── SourceUnavailable   no answer, or a server error; a later request may work
├── BadPayload          an answer that can't be understood
└── NoData              a clear answer: there is nothing, and why
"""

from stockpipe.common.errors import PipelineError


class SourceError(PipelineError):
    """A source gave no records for a symbol (or for all, symbol None)."""

    def __init__(self, source: str, symbol: str | None, reason: str) -> None:
        super().__init__(f"{source}, {symbol or 'all symbols'}: {reason}")
        self.source = source
        self.symbol = symbol
        self.reason = reason


class RateLimited(SourceError):
    """Too many requests."""


class QuotaExhausted(SourceError):
    """The plan's budget is used up."""


class SourceUnavailable(SourceError):
    """No answer, or a server error."""


class BadPayload(SourceError):
    """The answer can't be understood; `body` is what came, without secrets, empty where it isn't known."""

    def __init__(self, source: str, symbol: str | None, reason: str, body: bytes = b"") -> None:
        super().__init__(source, symbol, reason)
        self.body = body


class NoData(SourceError):
    """The source knows of nothing; `reason` says why.

    `is_empty` says that it knows the symbol and has nothing in this range: there was no trade. `disowned` says that it
    was asked and has nothing of the symbol at all.
    """

    def __init__(
        self, source: str, symbol: str | None, reason: str, *, is_empty: bool = False, disowned: bool = False
    ) -> None:
        super().__init__(source, symbol, reason)
        self.is_empty = is_empty
        self.disowned = disowned
