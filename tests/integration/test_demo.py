"""The whole pipeline as a newcomer runs it."""

import re

import pytest

from integration.conftest import Finished
from support.leftovers import processes_of_run

LINES = [
    r"source → Kafka: 12,154 real daily bars of 5 symbols",
    r"Kafka → raw lake: 12,154 bars in 5 objects",
    r"source → Kafka: 3,905 quotes of the session 2013-03-01",
    r"Kafka → raw lake: 3,905 quotes",
    r"raw lake → daily metrics: 12,154 bars in, 12,154 rows out",
    r"raw lake → the same windows, as a batch: 3,905 quotes in, 135 rows out",
    r"processed lake → warehouse \(DuckDB\): every batch is loaded",
    r"Checks that found rows: ",
    r"daily +fresh +warn +1 ",
    r"unaccounted: kafka-raw 0, raw-processed 0, processed-warehouse 0",
    r"The books balance\.",
    r"Batch and stream: 135 windows compared, 0 differ\.",
    r"End to end, from a quote's fetch to its row in the warehouse: p50 [\d.]+ s, p95 [\d.]+ s, of 3,905 quotes\.",
    r"STOCKMARKETBATCH\.DAILY_STOCK_METRICS: 5 of 12,154 rows",
    r"STOCKMARKETSTREAM\.REALTIME_STOCK_ANALYTICS: 5 of 135 rows",
]


@pytest.mark.parametrize("line", LINES)
def test_two_runs_at_the_same_time_both_show_every_hop(finished: Finished, line: str) -> None:
    assert re.search(line, finished.output), finished.output
    assert re.search(line, finished.beside.stdout), finished.beside.stdout + finished.beside.stderr


def test_both_exit_with_0(finished: Finished) -> None:
    assert (finished.code, finished.beside.returncode) == (0, 0)


def test_five_rows_of_each_table_are_shown(finished: Finished) -> None:
    for symbol in ("AAPL", "FB", "GOOG", "IBM", "MSFT"):
        assert len(re.findall(rf"^{symbol} +", finished.output, re.MULTILINE)) == 2


def test_it_says_what_to_try_next_and_leaves_nothing_running(finished: Finished) -> None:
    output = finished.beside.stdout
    assert re.search(r"Done in \d+ s\. What to try next:", output)
    assert "stockpipe-auditor trace --symbol AAPL" in output
    run = re.search(r"\.stockpipe/(\S+demo-\w+)", output)
    assert run is not None
    assert processes_of_run(run[1]) == []
