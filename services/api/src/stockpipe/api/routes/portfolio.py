"""Value and risk of holdings that a client posts; nothing of them is kept."""

from datetime import date

import numpy as np
from anyio import to_thread
from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from stockpipe.api.access import require_reader
from stockpipe.api.analytics.performance import returns
from stockpipe.api.analytics.risk import portfolio_risk
from stockpipe.api.dependencies import known_symbol
from stockpipe.api.history import common_days, read_history
from stockpipe.api.parameters import Day, SymbolText
from stockpipe.api.problems import ApiProblem, documented
from stockpipe.api.warehouse import Warehouse

router = APIRouter(prefix="/v1", tags=["analytics"], dependencies=[Depends(require_reader)])

LEAST_RETURNS = 20


class Holding(BaseModel):
    """Shares of a symbol."""

    model_config = ConfigDict(extra="forbid")

    symbol: SymbolText = Field(description="Ticker", examples=["AAPL"])
    quantity: float = Field(gt=0, le=1e12, description="Shares held", allow_inf_nan=False, examples=[10])


class Portfolio(BaseModel):
    """Holdings and how to judge them."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "holdings": [{"symbol": "AAPL", "quantity": 10}, {"symbol": "IBM", "quantity": 5}],
                "benchmark": "MSFT",
            }
        },
    )

    holdings: list[Holding] = Field(min_length=1, max_length=50, description="One a symbol")
    benchmark: SymbolText | None = Field(None, description="Symbol that beta is measured against")
    confidence: float = Field(0.95, ge=0.5, le=0.999, description="Of the value at risk")
    sessions: int = Field(252, ge=LEAST_RETURNS, le=2520, description="Past sessions that the risk is taken from")
    until: Day | None = Field(None, description="Last session to look at (default: the newest)")


class ValuedHolding(BaseModel):
    """A holding at its last close."""

    symbol: str
    quantity: float
    close: float = Field(description="Last close")
    session: date = Field(description="When that was")
    value: float = Field(description="quantity times close")
    weight: float = Field(description="Share of the portfolio's value, 0 to 1")


class PortfolioRisk(BaseModel):
    """What the holdings are worth, and how that moved. All symbols are taken to be in one currency."""

    value: float = Field(description="Sum of the holdings' values")
    holdings: list[ValuedHolding]
    sessions: int = Field(description="Past returns that the risk was taken from, which all symbols have")
    volatility: float = Field(description="Sample deviation of returns, a year (252 sessions), as a fraction")
    value_at_risk: float = Field(description="Loss in a session that `confidence` of them did not exceed, in currency")
    value_at_risk_pct: float = Field(description="The same in percent of the value")
    beta: float | None = Field(description="Against the benchmark; null without one, or if it doesn't move")


@router.post("/portfolio", summary="Value and risk of holdings", responses=documented(400, 404, 413))
async def portfolio(request: Request, wanted: Portfolio) -> PortfolioRisk:
    """Value holdings at their last close and measure the risk of today's weights over past returns."""
    names = [holding.symbol for holding in wanted.holdings]
    if len(set(names)) < len(names):
        raise ApiProblem(422, "body.holdings names a symbol twice; add the quantities up")
    for name in [*names, *([wanted.benchmark] if wanted.benchmark else [])]:
        known_symbol(request, name)
    return await to_thread.run_sync(_measure, request.app.state.warehouse, wanted)


def _measure(warehouse: Warehouse, wanted: Portfolio) -> PortfolioRisk:
    names = [holding.symbol for holding in wanted.holdings]
    asked = list(dict.fromkeys([*names, *([wanted.benchmark] if wanted.benchmark else [])]))
    with warehouse.reader() as reader:
        found = {name: read_history(reader, name, wanted.until) for name in asked}
    for name, history in found.items():
        if not len(history.days):
            raise ApiProblem(404, f"symbol {name!r} has no session up to {wanted.until}")
    changes = {
        name: returns(close)[1:][-wanted.sessions :]
        for name, close in zip(asked, common_days(list(found.values())), strict=True)
    }
    count = len(changes[names[0]])
    if count < LEAST_RETURNS:
        raise ApiProblem(422, f"body.holdings have {count} sessions in common; the risk needs {LEAST_RETURNS} or more")
    values = np.array([holding.quantity * found[holding.symbol].daily_close[-1] for holding in wanted.holdings])
    total = float(values.sum())
    risk = portfolio_risk(
        values / total,
        np.column_stack([changes[name] for name in names]),
        wanted.confidence,
        changes[wanted.benchmark] if wanted.benchmark else None,
    )
    return PortfolioRisk(
        value=total,
        holdings=[
            ValuedHolding(
                symbol=holding.symbol,
                quantity=holding.quantity,
                close=float(found[holding.symbol].daily_close[-1]),
                session=found[holding.symbol].days[-1].astype(object),
                value=float(value),
                weight=float(value) / total,
            )
            for holding, value in zip(wanted.holdings, values, strict=True)
        ],
        sessions=count,
        volatility=risk.volatility,
        value_at_risk=risk.value_at_risk * total,
        value_at_risk_pct=risk.value_at_risk * 100,
        beta=risk.beta,
    )
