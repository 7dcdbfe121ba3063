"""Risk of a portfolio with today's weights over past returns."""

from dataclasses import dataclass

import numpy as np

from stockpipe.api.analytics.indicators import Floats

SESSIONS_A_YEAR = 252


@dataclass(frozen=True)
class Risk:
    """`volatility` a year and `value_at_risk` a session, both as a fraction of the value; `beta` has no unit."""

    volatility: float
    value_at_risk: float
    beta: float | None


def portfolio_risk(weights: Floats, past: Floats, confidence: float, benchmark: Floats | None) -> Risk:
    """Return the risk of holdings.

    Volatility: the sample deviation of returns times the square root of 252 (Hull, Options, Futures and Other
    Derivatives, 15.4). Value at risk by historical simulation: the loss that `confidence` of the past sessions did not
    exceed, at least 0, interpolated between sessions (Jorion, Value at Risk, 3rd ed. 2006, chapter 10; Hyndman and
    Fan's type 7). Beta: covariance with the benchmark over its variance (Sharpe, Journal of Finance 19, 1964).

    Args:
        weights: shares of the value, one a holding, with the sum 1.
        past: returns, a row a session and a column a holding.
        confidence: such as 0.95.
        benchmark: its returns in the same sessions.
    """
    portfolio = past @ weights
    beta = None
    if benchmark is not None:
        spread = float(np.var(benchmark, ddof=1))
        beta = float(np.cov(portfolio, benchmark)[0, 1]) / spread if spread else None
    return Risk(
        volatility=float(portfolio.std(ddof=1)) * SESSIONS_A_YEAR**0.5,
        value_at_risk=max(0.0, -float(np.quantile(portfolio, 1 - confidence))),
        beta=beta,
    )
