"""Returns, drawdown, correlation and anomalies of prices. Arrays run oldest first."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from stockpipe.api.analytics.indicators import Floats

ANOMALY_SCORE = 3.5
"""Beyond this a value counts as an outlier, as Iglewicz and Hoaglin recommend."""


def returns(prices: Floats) -> Floats:
    """Return each price over the one before, minus 1; NaN first.

    Tsay, Analysis of Financial Time Series (3rd ed., 2010), 1.1: the simple net return.
    """
    return np.concatenate([[np.nan], prices[1:] / prices[:-1] - 1]) if len(prices) else prices


def drawdown(prices: Floats) -> Floats:
    """Return each price over the highest so far, minus 1: 0 at a peak, negative below.

    Magdon-Ismail and Atiya, Maximum Drawdown, Risk Magazine 17 (2004).
    """
    return prices / np.maximum.accumulate(prices) - 1 if len(prices) else prices


def correlation(left: Floats, right: Floats) -> float:
    """Return Pearson's coefficient of two samples of the same length, -1 to 1; NaN where one doesn't vary.

    Pearson, Proceedings of the Royal Society 58 (1895).
    """
    a, b = left - left.mean(), right - right.mean()
    scale = float(np.sqrt((a @ a) * (b @ b)))
    return float(np.clip(a @ b / scale, -1.0, 1.0)) if scale else float("nan")


def outlier_scores(values: Floats, period: int = 250) -> Floats:
    """Return how far each value is from those before it; NaN until there are `period` of them, or where they are equal.

    Iglewicz and Hoaglin, How to Detect and Handle Outliers (1993): the modified z-score, 0.6745 (x - median) / MAD,
    here with median and median absolute deviation of the `period` values before x.
    """
    scores = np.full(len(values), np.nan)
    if len(values) <= period:
        return scores
    before = sliding_window_view(values, period)[:-1]
    middle = np.median(before, axis=1)
    spread = np.median(np.abs(before - middle[:, None]), axis=1)
    scores[period:] = np.divide(
        0.6745 * (values[period:] - middle), spread, out=np.full(len(middle), np.nan), where=spread > 0
    )
    return scores
