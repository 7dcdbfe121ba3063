"""`corporate_action.v1`: one split or dividend of one symbol."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from stockpipe.common.contracts.fields import (
    ID_PATTERN,
    Currency,
    Date,
    Dividend,
    Identifier,
    Instant,
    Origin,
    SourceName,
    SplitRatio,
    Symbol,
    check_text,
    origin_fault,
)
from stockpipe.common.times import is_date

SCHEMA = "corporate_action.v1"

ActionKind = Annotated[Literal["split", "dividend"], Meta(description="What happened")]


class CorporateAction(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One action, effective before the open of `ex_date`. A split has `ratio`, a dividend has `amount`."""

    symbol: Symbol
    ex_date: Date
    kind: ActionKind
    ratio: SplitRatio | None = None
    amount: Dividend | None = None
    currency: Currency
    source: SourceName
    origin: Origin
    fetched_at: Instant
    fetch_id: Identifier
    batch_id: Identifier


def fault(action: CorporateAction) -> str | None:
    """Return the first field of `action` that is out of form or missing, with its value; None if there is none."""
    if not is_date(action.ex_date):
        return f"ex_date {action.ex_date!r}"
    if (action.kind == "split") != (action.ratio is not None) or (action.kind == "dividend") != bool(action.amount):
        return f"kind {action.kind}, ratio {action.ratio}, amount {action.amount}: a split has ratio, a dividend amount"
    if not check_text(ID_PATTERN, action.batch_id):
        return f"batch_id {action.batch_id!r}"
    return origin_fault(action.symbol, action.currency, None, action.source, action.fetched_at, action.fetch_id)
