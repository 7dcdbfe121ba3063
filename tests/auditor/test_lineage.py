"""OpenLineage events of a run that landed, streamed, computed and loaded: whole, with counts, told once."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer
from prometheus_client import CollectorRegistry

from stockpipe.auditor.lineage.listener import Listener
from stockpipe.auditor.lineage.telling import Telling, places
from stockpipe.auditor.period import Period
from stockpipe.auditor.settings import AuditWatchSettings, LineageSettings
from stockpipe.auditor.watch import AuditWatch
from stockpipe.common.errors import ConfigError, Unavailable
from stockpipe.common.metrics import AuditorMetrics
from support.background import answering
from support.clocks import ManualClock
from support.landing import quiet_log
from support.long_run import LongRun, MemoryReader
from support.mock_cluster import mock_cluster
from support.raw_lake import QUOTES, land_quotes
from support.records import quote

EVERYTHING = Period(None, None)


@pytest.fixture
def run() -> LongRun:
    """Two requests brought six quotes, of which two are dead letters beside; one batch was loaded, one not."""
    made = LongRun()
    made.land(0, 4, rejected=2)
    made.land_bars(3)
    made.load(made.stream())
    made.daily()
    return made


def settings(url: str) -> LineageSettings:
    return LineageSettings(
        kafka_bootstrap_server="broker:9092,other:9092",
        lake_url="s3://bucket",
        warehouse_url="duckdb:///w/w.duckdb",
        lineage_url=url,
    )


def telling(run: LongRun, chosen: LineageSettings) -> Telling:
    return Telling(chosen, places(chosen, run.store, chosen), run.store)


def told_to_file(run: LongRun, path: Path, *periods: Period) -> list[dict[str, Any]]:
    chosen = settings(f"file://{path}")
    listener, teller = Listener(chosen.lineage_url, chosen), telling(run, chosen)
    for period in periods or [EVERYTHING]:
        teller.tell(period, run.warehouse(), listener.tell)
    listener.close()
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def rows(event: dict[str, Any]) -> tuple[list[Any], list[Any]]:
    """Return input and output datasets as (namespace, name, rows)."""
    inputs = [(d["namespace"], d["name"], _count(d, "inputFacets", "inputStatistics")) for d in event["inputs"]]
    return inputs, [
        (d["namespace"], d["name"], _count(d, "outputFacets", "outputStatistics")) for d in event["outputs"]
    ]


def _count(dataset: dict[str, Any], facets: str, name: str) -> int | None:
    found: int | None = dataset.get(facets, {}).get(name, {}).get("rowCount")
    return found


def test_every_hop_is_told_with_its_rows(run: LongRun, tmp_path: Path) -> None:
    events = {event["job"]["name"]: event for event in told_to_file(run, tmp_path / "lineage.ndjson")}
    lake = run.store.url
    assert set(events) == {
        *("consumer.stock-market-realtime", "consumer.stock-market-batch"),
        *("spark.realtime_live", "spark.daily", "loader.realtime_live"),
    }
    assert rows(events["consumer.stock-market-realtime"]) == (
        [("kafka://broker:9092", QUOTES, 6)],
        [(lake, f"raw/{QUOTES}", 4), ("kafka://broker:9092", f"{QUOTES}.dlq", 2)],
    )
    inputs, outputs = rows(events["spark.realtime_live"])
    assert inputs == [("kafka://broker:9092", QUOTES, 6)]
    written = outputs[0][2]
    assert outputs == [(lake, "processed/realtime_live", written)]
    assert rows(events["loader.realtime_live"]) == (
        [(lake, "processed/realtime_live", written)],
        [("duckdb:///w/w.duckdb", "STOCKMARKETSTREAM.PUBLIC.REALTIME_STOCK_ANALYTICS", written)],
    )
    assert rows(events["spark.daily"])[0] == [(lake, "raw/stock-market-batch", 3)]
    fields = events["loader.realtime_live"]["outputs"][0]["facets"]["schema"]["fields"]
    assert fields[0] == {"name": "symbol", "type": "string", "description": "Ticker", "fields": []}
    assert {event["eventType"] for event in events.values()} == {"COMPLETE"}


def test_the_requests_to_the_source_are_told_with_the_rows_they_brought(tmp_path: Path) -> None:
    run = LongRun()
    first, second = "yahoo-20260601T140000000Z-aaaaaa", "sample-20260601T140030000Z-bbbbbb"
    quotes = [quote(fetch_id=fetch_id) for fetch_id in (first, first, second)]
    landed = land_quotes(run.store, quotes)
    run.store.objects = {
        key: (
            data.replace(b'"fetches": {}', f'"fetches": {{"{first}": "yahoo quote AAPL", "{second}": ""}}'.encode()),
            at,
        )
        for key, (data, at) in run.store.objects.items()
    }
    events = {event["job"]["name"]: event for event in told_to_file(run, tmp_path / "lineage.ndjson")}
    assert landed.records == 3
    assert rows(events["producer.yahoo"]) == (
        [("yahoo", "yahoo quote AAPL", None)],
        [("kafka://broker:9092", QUOTES, 2)],
    )
    assert rows(events["producer.sample"])[1] == [("kafka://broker:9092", QUOTES, 1)]


def test_a_run_is_told_once_by_a_process_and_has_the_same_id_in_the_next(run: LongRun, tmp_path: Path) -> None:
    once = told_to_file(run, tmp_path / "a", EVERYTHING, EVERYTHING)
    again = told_to_file(run, tmp_path / "b")
    ids = [event["run"]["runId"] for event in once]
    assert len(set(ids)) == len(ids) == 5
    assert [event["run"]["runId"] for event in again] == ids


def test_days_choose_the_runs(run: LongRun, tmp_path: Path) -> None:
    day = run.store.now.date()
    nothing = Period(day + timedelta(days=400), None)
    assert told_to_file(run, tmp_path / "a", nothing) == []
    assert told_to_file(run, tmp_path / "b", Period(day, day))


@contextmanager
def server(answers: list[int]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    taken: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status = answers.pop(0) if answers else 200
            if status == 200:
                taken.append(body | {"path": self.path})
            self.send_response(status)
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    with answering(HTTPServer(("127.0.0.1", 0), Handler)) as made:
        yield f"http://127.0.0.1:{made.server_port}", taken


def test_a_server_that_refuses_is_told_the_rest_later(run: LongRun) -> None:
    with server([200, 400]) as (url, taken):
        chosen = settings(url)
        listener, teller = Listener(url, chosen), telling(run, chosen)
        with pytest.raises(Unavailable, match="event not taken"):
            teller.tell(EVERYTHING, run.warehouse(), listener.tell)
        teller.tell(EVERYTHING, run.warehouse(), listener.tell)
        listener.close()
    assert Counter(event["path"] for event in taken) == {"/api/v1/lineage": 5}
    assert len({event["run"]["runId"] for event in taken}) == 5


def test_a_server_that_is_down_stops_no_audit(monkeypatch: pytest.MonkeyPatch) -> None:
    run, registry = LongRun(), CollectorRegistry()
    run.land(0, 1)
    chosen = AuditWatchSettings(
        kafka_bootstrap_server="broker:9092",
        lake_url="s3://bucket",
        warehouse_url="duckdb:///w/w.duckdb",
        lineage_url="http://127.0.0.1:9",
    )
    monkeypatch.setattr("stockpipe.auditor.watch.audit", lambda *_args: run.books(run.warehouse()))

    @contextmanager
    def reader() -> Iterator[MemoryReader]:
        yield run.warehouse()

    clock = ManualClock(run.store.now)
    watch = AuditWatch(chosen, run.store, reader, clock, AuditorMetrics(registry), quiet_log())
    watch.audit_once()
    assert registry.get_sample_value("stockpipe_records_unaccounted", {"hop": "kafka-raw"}) == 0


def test_a_topic_is_told_over_the_pipelines_own_connection(run: LongRun) -> None:
    with mock_cluster() as kafka:
        kafka.create_topic("lineage", 1)
        chosen = settings("kafka:///lineage").model_copy(update={"kafka_bootstrap_server": kafka.bootstrap})
        listener = Listener(chosen.lineage_url, chosen)
        assert telling(run, chosen).tell(EVERYTHING, run.warehouse(), listener.tell) == 5
        listener.close()
        reader = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "t", "auto.offset.reset": "earliest"})
        reader.subscribe(["lineage"])
        messages = reader.consume(5, timeout=30)
        reader.close()
    assert len({json.loads(message.value() or b"")["run"]["runId"] for message in messages}) == 5


@pytest.mark.parametrize("url", ["ftp://x", "file://relative", "http://", "kafka://broker/", "lineage.ndjson"])
def test_a_wrong_url_is_refused_with_what_would_be_right(url: str) -> None:
    with pytest.raises(ConfigError, match=r"LINEAGE_URL \(--lineage-url\) .* kafka:///topic"):
        Listener(url, settings(url))
