"""Whole DAG runs on a real Kafka, a folder lake and DuckDB: real data arrives, the books balance, faults heal."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from local_pods import LocalPods
from results import assert_balanced, report, rows

Run = Callable[..., Any]
SYMBOLS = "AAPL,MSFT"


def test_a_batch_run_moves_real_bars_and_heals(real_pods: LocalPods, run: Run, tmp_path: Path) -> None:
    """Two tries are killed, of the consumer and of Spark; the same date run again changes nothing."""
    lake = tmp_path / "lake"
    real_pods.doom["consume_historical_data"] = (2, lambda _command: any(lake.rglob("raw/historical/**/*.csv")))
    real_pods.doom["process_data"] = (1, lambda _command: any(lake.rglob("processed/historical/**/*.parquet")))
    conf = {"symbols": SYMBOLS, "from": "2012-06-01"}

    first = run("stock_market_batch_pipeline", **conf)

    assert first.state == "success"
    assert real_pods.killed == ["consume_historical_data"] * 2 + ["process_data"]
    told = report(tmp_path, first.dag_id)
    assert told["state"] == "success"
    assert told["rows"]["fetched"] == told["rows"]["landed"] == 2 * 77
    assert told["rows"]["inserted"] == told["rows"]["computed"] == 2 * 77
    checks = {check["check"]: check["rows"] for check in told["quality"]["checks"]}
    assert (checks["row_count"], checks["prices"], checks["fresh"]) == (0, 0, 2 * 77)
    assert told["newest"] == "2012-09-19T00:00:00.000Z"
    before = rows(real_pods, "stockmarketbatch.daily_stock_metrics")
    assert len(before) == 2 * 77
    assert_balanced(real_pods)

    commands = list(real_pods.commands)
    again = run("stock_market_batch_pipeline", **conf)

    assert again.state == "success"
    distinct = [each for position, each in enumerate(commands) if each not in commands[:position]]
    assert real_pods.commands[len(commands) :] == distinct
    assert rows(real_pods, "stockmarketbatch.daily_stock_metrics") == before
    audit = run("stock_market_audit", None)
    assert audit.state == "success"
    unaccounted = report(tmp_path, audit.dag_id)["quality"]["unaccounted"]
    assert unaccounted
    assert not any(unaccounted.values())


def test_a_streaming_run_computes_what_it_collected(real_pods: LocalPods, run: Run, tmp_path: Path) -> None:
    session = {"SESSION_DATE": "2012-09-19", "SPEED": "0", "SYMBOLS": SYMBOLS, "FETCH_INTERVAL_SECONDS": "120"}
    # the topic that the sensor looks at
    real_pods.environment = {**real_pods.environment, **session, "KAFKA_TOPIC_REALTIME": "stock-market-realtime"}

    done = run("stock_streaming_pipeline", "2026-11-24T15:00:00")

    assert done.state == "success"
    told = report(tmp_path, done.dag_id)
    assert told["rows"]["landed"] == told["rows"]["read by Spark"] == 2 * 196
    assert told["rows"]["inserted"] == told["rows"]["computed"] == 2 * 27
    assert not any(told["quality"]["unaccounted"].values())
    # the session is of 2012
    assert told["anomalies"] == [f"check fresh found {2 * 27} rows"]
    assert len(rows(real_pods, "stockmarketstream.realtime_stock_analytics")) == 2 * 27
    assert_balanced(real_pods)


def test_a_years_backfill_goes_on_where_it_was_stopped(real_pods: LocalPods, run: Run, tmp_path: Path) -> None:
    """The second chunk is killed until its tries are used up; the next run fetches only what is missing."""
    conf = {"symbols": SYMBOLS, "from": "2012-01-01", "to": "2012-12-31", "chunk_days": 183}
    real_pods.doom["fetch_chunk"] = (4, lambda command: "2012-07-02" in command)
    stopped = run("stock_market_backfill", **conf)
    assert stopped.state == "failed"
    assert report(tmp_path, stopped.dag_id)["state"] == "failed"

    sent_before = assert_balanced(real_pods)["partitions"]
    done = run("stock_market_backfill", "2012-09-20", **conf)

    assert done.state == "success"
    assert sum(each["raw_rows"] for each in sent_before) == 2 * 125
    assert sum(each["raw_rows"] for each in assert_balanced(real_pods)["partitions"]) == 2 * 250
    assert len(rows(real_pods, "stockmarketbatch.daily_stock_metrics")) == 2 * 250
