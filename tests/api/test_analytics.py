"""Indicators and risk, each against an independent implementation: TA-Lib, or plain sums written apart."""

import math
import statistics
from typing import Any

import numpy as np
import pytest
import talib
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from stockpipe.api.analytics import indicators as ta
from stockpipe.api.analytics.performance import correlation, drawdown, outlier_scores, returns
from stockpipe.api.analytics.risk import portfolio_risk
from support.api import SESSIONS, bars
from support.processed import Row

RNG = np.random.default_rng(7)
CLOSE = 100 * np.exp(np.cumsum(RNG.normal(0, 0.02, 400)))
HIGH = CLOSE * (1 + RNG.uniform(0, 0.02, 400))
LOW = CLOSE * (1 - RNG.uniform(0, 0.02, 400))
VOLUME = RNG.integers(1_000, 9_000, 400).astype(float)


def same(found: ta.Floats, expected: Any) -> None:
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9, equal_nan=True)


def test_rsi_is_talibs() -> None:
    same(ta.relative_strength(CLOSE), talib.RSI(CLOSE, 14))


def test_macd_is_talibs() -> None:
    macd, signal, histogram = ta.convergence_divergence(CLOSE)
    expected = talib.MACD(CLOSE, 12, 26, 9)
    # TA-Lib holds MACD itself back until its signal is there.
    same(np.where(np.isnan(signal), np.nan, macd), expected[0])
    same(signal, expected[1])
    same(histogram, expected[2])


def test_bollinger_bands_are_talibs() -> None:
    middle, upper, lower = ta.bollinger_bands(CLOSE)
    expected = talib.BBANDS(CLOSE, 20, 2.0, 2.0)
    for found, other in zip((upper, middle, lower), expected, strict=True):
        same(found, other)


def test_atr_is_talibs() -> None:
    same(ta.average_true_range(HIGH, LOW, CLOSE), talib.ATR(HIGH, LOW, CLOSE, 14))


def test_means_and_deviations_are_talibs() -> None:
    same(ta.simple_mean(CLOSE, 50), talib.SMA(CLOSE, 50))
    same(ta.sample_deviation(CLOSE, 30), talib.STDDEV(CLOSE, 30) * math.sqrt(30 / 29))


def test_vwap_is_the_weighted_sum_of_each_period() -> None:
    expected = [math.nan] * 19
    for end in range(20, len(CLOSE) + 1):
        part = range(end - 20, end)
        paid = sum(VOLUME[i] * (HIGH[i] + LOW[i] + CLOSE[i]) / 3 for i in part)
        expected.append(paid / sum(VOLUME[i] for i in part))
    same(ta.volume_weighted_price(HIGH, LOW, CLOSE, VOLUME), expected)


def test_without_volume_there_is_no_vwap() -> None:
    assert np.isnan(ta.volume_weighted_price(HIGH, LOW, CLOSE, np.zeros(400))).all()


@pytest.mark.parametrize("count", [0, 1, 13, 14, 19, 25, 33])
def test_a_period_that_is_not_full_has_no_value(count: int) -> None:
    close, high, low = CLOSE[:count], HIGH[:count], LOW[:count]
    found = [
        ta.relative_strength(close),
        *ta.convergence_divergence(close)[1:],
        *ta.bollinger_bands(close),
        ta.average_true_range(high, low, close),
        ta.volume_weighted_price(high, low, close, VOLUME[:count]),
    ]
    assert {len(each) for each in found} == {count}
    full = [14, 33, 33, 19, 19, 19, 14, 19]
    assert [int(np.isnan(each).sum()) for each in found] == [min(count, missing) for missing in full]


def test_prices_that_never_move_have_an_rsi_of_50() -> None:
    assert set(ta.relative_strength(np.full(40, 5.0))[14:]) == {50.0}


def test_returns_and_drawdown_by_hand() -> None:
    prices = np.array([100.0, 110.0, 99.0, 121.0])
    same(returns(prices), [math.nan, 0.1, -0.1, 2 / 9])
    same(drawdown(prices), [0, 0, -0.1, 0])


@given(st.lists(st.tuples(*[st.floats(-1e3, 1e3)] * 2), min_size=3, max_size=40))
def test_correlation_is_that_of_the_statistics_module(pairs: list[tuple[float, float]]) -> None:
    left, right = (np.array(side) for side in zip(*pairs, strict=True))
    try:
        expected = statistics.correlation(list(left), list(right))
    except statistics.StatisticsError:
        return
    found = correlation(left, right)
    if min(left.std(), right.std()) > 1e-6:
        assert found == pytest.approx(expected, abs=1e-6)


def test_outliers_by_hand() -> None:
    values = np.array([*[1.0, 2.0, 3.0, 4.0, 5.0], 30.0])
    scores = outlier_scores(values, 5)
    assert np.isnan(scores[:5]).all()
    assert scores[5] == pytest.approx(0.6745 * (30 - 3) / 1)


def test_equal_values_have_no_outlier_score() -> None:
    assert np.isnan(outlier_scores(np.full(20, 3.0), 5)).all()


def test_risk_is_that_of_plain_sums() -> None:
    past = RNG.normal(0, 0.01, (252, 3))
    market = past @ [0.2, 0.3, 0.5] + RNG.normal(0, 0.003, 252)
    weights = np.array([0.5, 0.25, 0.25])
    found = portfolio_risk(weights, past, 0.95, market)
    moved = [sum(w * r for w, r in zip(weights, row, strict=True)) for row in past]
    assert found.volatility == pytest.approx(statistics.stdev(moved) * math.sqrt(252))
    ordered = sorted(moved)
    place = 0.05 * (len(ordered) - 1)
    low = ordered[math.floor(place)]
    quantile = low + (place - math.floor(place)) * (ordered[math.floor(place) + 1] - low)
    assert found.value_at_risk == pytest.approx(-quantile)
    expected = statistics.linear_regression(list(market), moved).slope
    assert found.beta == pytest.approx(expected)


def test_risk_without_a_moving_benchmark_has_no_beta() -> None:
    past = RNG.normal(0, 0.01, (30, 1))
    assert portfolio_risk(np.ones(1), past, 0.95, None).beta is None
    assert portfolio_risk(np.ones(1), past, 0.95, np.zeros(30)).beta is None


def adjusted(symbol: str) -> tuple[list[Row], ta.Floats]:
    """Return the rows and the closes adjusted to the last session."""
    rows = list(bars(symbol))
    ratio = np.array([row["adj_close"] / row["daily_close"] for row in rows])
    return rows, np.array([row["daily_close"] for row in rows]) * ratio / ratio[-1]


def data(client: TestClient, path: str, **parameters: Any) -> list[dict[str, Any]]:
    answer = client.get(path, params=parameters)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


def test_indicators_of_a_range_know_the_sessions_before_it(anonymous: TestClient) -> None:
    rows, close = adjusted("AAPL")
    found = data(anonymous, "/v1/indicators/AAPL", **{"from": rows[300]["date"].isoformat()})
    assert len(found) == SESSIONS - 300
    assert [row["rsi_14"] for row in found] == pytest.approx(talib.RSI(close, 14)[300:])
    assert [row["sma_200"] for row in found] == pytest.approx(talib.SMA(close, 200)[300:])
    assert found[-1]["close"] == rows[-1]["daily_close"]
    assert found[0]["close"] == pytest.approx(close[300])


def test_an_indicator_that_is_not_full_is_null(anonymous: TestClient) -> None:
    found = data(anonymous, "/v1/indicators/AAPL", limit=14, columns="rsi_14,close")
    assert [row["rsi_14"] for row in found] == [None] * 14


def test_returns_begin_with_the_range(anonymous: TestClient) -> None:
    rows, close = adjusted("IBM")
    found = data(anonymous, "/v1/returns/IBM", **{"from": rows[100]["date"].isoformat()})
    assert found[0]["daily_return"] is None
    assert found[-1]["cumulative_return"] == pytest.approx(close[-1] / close[100] - 1)
    worst = min(now / max(close[100 : index + 1]) - 1 for index, now in enumerate(close) if index >= 100)
    assert min(row["drawdown"] for row in found) == pytest.approx(worst)


def test_a_matrix_is_symmetric_with_ones(anonymous: TestClient) -> None:
    found = {(row["left"], row["right"]): row for row in data(anonymous, "/v1/correlation", symbols="AAPL,IBM")}
    assert found["AAPL", "AAPL"]["correlation"] == pytest.approx(1)
    one, two = (np.diff(close) / close[:-1] for _rows, close in (adjusted("AAPL"), adjusted("IBM")))
    expected = statistics.correlation(list(one), list(two))
    assert found["AAPL", "IBM"]["correlation"] == found["IBM", "AAPL"]["correlation"] == pytest.approx(expected)
    assert found["AAPL", "IBM"]["sessions"] == SESSIONS - 1


def test_anomalies_are_the_sessions_beyond_the_limit(anonymous: TestClient) -> None:
    rows, close = adjusted("AAPL")
    change = np.diff(close) / close[:-1]
    expected = []
    for index in range(251, len(rows)):
        before = sorted(change[index - 251 : index - 1])
        middle = statistics.median(before)
        spread = statistics.median(abs(value - middle) for value in before)
        if abs(0.6745 * (change[index - 1] - middle) / spread) > 3.5:
            expected.append(rows[index]["date"].isoformat())
    found = data(anonymous, "/v1/anomalies/AAPL")
    assert [row["date"] for row in found if abs(row["return_score"] or 0) > 3.5] == expected
    assert "2013-01-24" in expected  # the day after Apple's results


def test_a_portfolio_is_worth_its_last_closes(anonymous: TestClient) -> None:
    last = {name: bars(name)[-1]["daily_close"] for name in ("AAPL", "IBM")}
    holdings = [{"symbol": "AAPL", "quantity": 10}, {"symbol": "IBM", "quantity": 5}]
    answer = anonymous.post("/v1/portfolio", json={"holdings": holdings, "benchmark": "IBM", "sessions": 100})
    found = answer.json()
    assert answer.status_code == 200
    assert found["value"] == pytest.approx(10 * last["AAPL"] + 5 * last["IBM"])
    assert [each["weight"] for each in found["holdings"]] == pytest.approx(
        [10 * last["AAPL"] / found["value"], 5 * last["IBM"] / found["value"]]
    )
    one, two = (np.diff(adjusted(name)[1])[-100:] / adjusted(name)[1][-101:-1] for name in ("AAPL", "IBM"))
    moved = one * found["holdings"][0]["weight"] + two * found["holdings"][1]["weight"]
    assert found["volatility"] == pytest.approx(statistics.stdev(moved) * math.sqrt(252))
    assert found["beta"] == pytest.approx(statistics.linear_regression(list(two), list(moved)).slope)
    assert found["value_at_risk"] == pytest.approx(found["value_at_risk_pct"] / 100 * found["value"])


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"holdings": []}, 422, "body.holdings"),
        ({"holdings": [{"symbol": "AAPL", "quantity": -1}]}, 422, "body.holdings.0.quantity='-1'"),
        ({"holdings": [{"symbol": "NOPE", "quantity": 1}]}, 404, "no symbol 'NOPE'"),
        ({"holdings": [{"symbol": "AAPL", "quantity": 1}] * 2}, 422, "names a symbol twice"),
        ({"holdings": [{"symbol": "AAPL", "quantity": 1}], "until": "2000-01-01"}, 404, "no session up to 2000-01-01"),
        ({"holdings": [{"symbol": "AAPL", "quantity": 1}], "until": "2011-12-01"}, 422, "the risk needs 20 or more"),
        ({"holdings": [{"symbol": "AAPL", "quantity": 1, "side": "short"}]}, 422, "holdings.0.side"),
    ],
)
def test_holdings_that_can_not_be_valued(anonymous: TestClient, body: dict[str, Any], status: int, words: str) -> None:
    answer = anonymous.post("/v1/portfolio", json=body)
    assert answer.status_code == status, answer.text
    assert words in answer.json()["detail"]
