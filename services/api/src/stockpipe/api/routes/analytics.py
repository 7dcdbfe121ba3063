"""Indicators, returns, correlation, anomalies and the risk of a portfolio, computed from daily metrics."""

from collections.abc import Callable
from datetime import date
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from stockpipe.api.access import require_reader
from stockpipe.api.analytics import indicators as ta
from stockpipe.api.analytics.performance import ANOMALY_SCORE, correlation, drawdown, outlier_scores, returns
from stockpipe.api.answers import Answers
from stockpipe.api.dependencies import answers_of, known_symbol
from stockpipe.api.history import History, common_days, read_history
from stockpipe.api.parameters import DayPage, DayRange, Symbol, page_model, row_model, tabular
from stockpipe.api.problems import ApiProblem, documented
from stockpipe.api.selection import column_list, decode_cursor, encode_cursor
from stockpipe.common.contracts.tables import DAILY_STOCK_METRICS, Column, Table
from stockpipe.common.warehouse.reader import WarehouseReader

router = APIRouter(prefix="/v1", tags=["analytics"], dependencies=[Depends(require_reader)])

DATABASE = (DAILY_STOCK_METRICS.database,)
MOST_SYMBOLS = 30


def _view(name: str, *columns: tuple[str, str]) -> Table:
    """Return the columns of rows that are computed, none of them stored."""
    kept: tuple[Column, ...] = (Column("date", "date", "Exchange session date", nullable=False),)
    return Table(
        "COMPUTED", name, ("date",), (), "date", kept + tuple(Column(each, "double", what) for each, what in columns)
    )


INDICATORS = _view(
    "INDICATORS",
    ("open", "First price, adjusted for splits and dividends as all prices here"),
    ("high", "Highest price"),
    ("low", "Lowest price"),
    ("close", "Last price"),
    ("volume", "Shares traded"),
    ("sma_50", "Mean close of the last 50 sessions"),
    ("sma_200", "Mean close of the last 200 sessions"),
    ("rsi_14", "Wilder's relative strength index, 0 to 100"),
    ("macd", "Exponential mean of 12 sessions minus that of 26"),
    ("macd_signal", "Exponential mean of macd, 9 sessions"),
    ("macd_histogram", "macd minus macd_signal"),
    ("bollinger_middle", "Mean close of the last 20 sessions"),
    ("bollinger_upper", "2 population deviations above it"),
    ("bollinger_lower", "2 population deviations below it"),
    ("atr_14", "Wilder's average true range"),
    ("vwap_20", "Volume-weighted mean typical price of the last 20 sessions"),
    ("volatility_30", "Sample deviation of the last 30 daily returns"),
)
RETURNS = _view(
    "RETURNS",
    ("close", "Last price, adjusted for splits and dividends"),
    ("daily_return", "Close over the close before, minus 1"),
    ("cumulative_return", "Close over the first close of the range, minus 1"),
    ("drawdown", "Close over the highest close of the range so far, minus 1"),
)
ANOMALIES = _view(
    "ANOMALIES",
    ("daily_return", "Close over the close before, minus 1"),
    ("return_score", f"Modified z-score of the return among the 250 before; beyond ±{ANOMALY_SCORE} it is flagged"),
    ("volume", "Shares traded"),
    ("volume_score", "The same of the logarithm of the volume"),
)

IndicatorPage = page_model("IndicatorPage", row_model("IndicatorRow", INDICATORS))
ReturnPage = page_model("ReturnPage", row_model("ReturnRow", RETURNS))
AnomalyPage = page_model("AnomalyPage", row_model("AnomalyRow", ANOMALIES))
Page = Annotated[DayPage, Query()]
Maker = Annotated[Answers, Depends(answers_of)]


@router.get(
    "/indicators/{symbol}",
    summary="Technical indicators of a symbol",
    responses=tabular(IndicatorPage) | documented(404, 406),
    response_class=Response,
)
async def indicators(request: Request, symbol: Symbol, page: Page, answers: Maker) -> Response:
    """Return RSI 14, MACD 12/26/9, Bollinger bands 20/2, ATR 14, VWAP 20 and moving averages, a row a session.

    They are computed from all sessions before, so the first row of a range is as good as the last.
    """
    return await _paged(request, answers, symbol, page, INDICATORS, _indicators)


@router.get(
    "/returns/{symbol}",
    summary="Returns and drawdown of a symbol",
    responses=tabular(ReturnPage) | documented(404, 406),
    response_class=Response,
)
async def returns_of(request: Request, symbol: Symbol, page: Page, answers: Maker) -> Response:
    """Return daily and cumulative returns and the drawdown within the range, a row a session."""

    def compute(history: History) -> list[ta.Floats]:
        return [history.close, returns(history.close), history.close / history.close[0] - 1, drawdown(history.close)]

    return await _paged(request, answers, symbol, page, RETURNS, compute, of_range=True)


@router.get(
    "/anomalies/{symbol}",
    summary="Sessions with an unusual return or volume",
    responses=tabular(AnomalyPage) | documented(404, 406),
    response_class=Response,
)
async def anomalies(request: Request, symbol: Symbol, page: Page, answers: Maker) -> Response:
    """Return the sessions whose return or volume is an outlier among the 250 sessions before."""

    def compute(history: History) -> list[ta.Floats]:
        change = returns(history.close)
        volume = np.log1p(history.volume)
        return [change, outlier_scores(change[1:] if len(change) else change), history.volume, outlier_scores(volume)]

    def flagged(rows: pa.Table) -> pa.Table:
        beyond = [pc.greater(pc.abs(rows[name]), ANOMALY_SCORE) for name in ("return_score", "volume_score")]
        return rows.filter(pc.or_kleene(*beyond))

    return await _paged(request, answers, symbol, page, ANOMALIES, compute, keep=flagged)


class CorrelationParameters(DayRange):
    """Which symbols, over which sessions."""

    symbols: str = Field(
        max_length=600, description=f"2 to {MOST_SYMBOLS} tickers, comma-separated", examples=["AAPL,IBM,MSFT"]
    )


class Correlation(BaseModel):
    """How two symbols' daily returns go together."""

    left: str
    right: str
    correlation: float | None = Field(description="Pearson's coefficient; null without variation or enough sessions")
    sessions: int = Field(description="Returns that both have")


@router.get(
    "/correlation",
    summary="Correlation matrix of daily returns",
    responses=tabular(page_model("CorrelationPage", Correlation)) | documented(404, 406),
    response_class=Response,
)
async def correlations(request: Request, wanted: Annotated[CorrelationParameters, Query()], answers: Maker) -> Response:
    """Return Pearson's coefficient for every pair of symbols, over the sessions that both have."""
    names = symbol_list(request, wanted.symbols)

    def produce(reader: WarehouseReader) -> tuple[pa.Table, dict[str, Any]]:
        histories = {name: _within(read_history(reader, name, wanted.last), wanted.first) for name in names}
        rows = []
        for left in names:
            for right in names:
                a, b = (returns(close)[1:] for close in common_days([histories[left], histories[right]]))
                value = correlation(a, b) if len(a) > 2 else float("nan")
                rows.append((left, right, None if np.isnan(value) else value, len(a)))
        columns = list(zip(*rows, strict=True))
        types = (pa.string(), pa.string(), pa.float64(), pa.int64())
        arrays = [pa.array(column, kind) for column, kind in zip(columns, types, strict=True)]
        return pa.table(arrays, list(Correlation.model_fields)), {"next": None}

    return await answers.query(request, DATABASE, produce)


def symbol_list(request: Request, text: str) -> list[str]:
    """Return the symbols of a comma-separated list.

    Raises:
        ApiProblem: 422 too few or too many, 404 one is unknown.
    """
    names = list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if not 2 <= len(names) <= MOST_SYMBOLS:
        raise ApiProblem(422, f"query.symbols names {len(names)} symbols; give 2 to {MOST_SYMBOLS}")
    for name in names:
        known_symbol(request, name)
    return names


async def _paged(
    request: Request,
    answers: Answers,
    symbol: str,
    page: DayPage,
    view: Table,
    compute: Callable[[History], list[ta.Floats]],
    *,
    of_range: bool = False,
    keep: Callable[[pa.Table], pa.Table] = lambda rows: rows,
) -> Response:
    """Answer with a page of computed rows; `of_range` computes from the range alone, not from all before it."""
    columns = column_list(page.columns, view)
    after = decode_cursor(page.cursor, date)
    if page.first and page.last and page.first > page.last:
        raise ApiProblem(422, f"query.from={page.first} is after query.to={page.last}; swap them")
    known_symbol(request, symbol)

    def produce(reader: WarehouseReader) -> tuple[pa.Table, dict[str, Any]]:
        history = read_history(reader, symbol, page.last)
        if of_range:
            history = _within(history, page.first)
        rows = keep(_within_table(_table(view, history, compute), page.first))
        if page.order == "desc":
            rows = rows[::-1]
        if after:
            beyond = pc.less if page.order == "desc" else pc.greater
            rows = rows.filter(beyond(rows["date"], after))
        shown = rows.slice(0, page.limit)
        cursor = encode_cursor(shown["date"][-1].as_py()) if rows.num_rows > shown.num_rows else None
        return shown.select(list(columns)), {"next": cursor}

    return await answers.query(request, DATABASE, produce)


def _indicators(history: History) -> list[ta.Floats]:
    close, high, low = history.close, history.high, history.low
    return [
        history.open,
        high,
        low,
        close,
        history.volume,
        ta.simple_mean(close, 50),
        ta.simple_mean(close, 200),
        ta.relative_strength(close),
        *ta.convergence_divergence(close),
        *ta.bollinger_bands(close),
        ta.average_true_range(high, low, close),
        ta.volume_weighted_price(high, low, close, history.volume),
        ta.sample_deviation(returns(close), 30),
    ]


def _table(view: Table, history: History, compute: Callable[[History], list[ta.Floats]]) -> pa.Table:
    columns = compute(history) if len(history.days) else [np.empty(0)] * (len(view.columns) - 1)
    padded = [np.concatenate([np.full(len(history.days) - len(each), np.nan), each]) for each in columns]
    arrays = [pa.array(history.days, pa.date32()), *(pa.array(each, from_pandas=True) for each in padded)]
    return pa.table(arrays, list(view.column_names))


def _within(history: History, first: date | None) -> History:
    start = int(np.searchsorted(history.days, np.datetime64(first))) if first else 0
    return History(**{name: values[start:] for name, values in vars(history).items()})


def _within_table(rows: pa.Table, first: date | None) -> pa.Table:
    return rows.filter(pc.greater_equal(rows["date"], first)) if first else rows
