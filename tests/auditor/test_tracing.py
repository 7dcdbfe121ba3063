"""A trace of each request: fetched, landed, processed, loaded, under ids that anyone can compute."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from confluent_kafka import Consumer
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry

from stockpipe.auditor.lineage.tracing import Tracing, collector
from stockpipe.auditor.period import Period
from stockpipe.common.errors import Unavailable
from stockpipe.common.metrics import ProducerMetrics
from stockpipe.common.settings import KafkaSettings
from stockpipe.common.trace_ids import trace_id, traceparent
from stockpipe.producer.sender import Sender
from support.background import answering
from support.landing import quiet_log
from support.long_run import BEGIN, LongRun
from support.mock_cluster import mock_cluster
from support.records import quote

EVERYTHING = Period(None, None)
KAFKA = KafkaSettings(kafka_bootstrap_server="none:1")
FETCH = "yahoo-20260601T135959500Z-aaaaaa"
FETCHED_AT = datetime(2026, 6, 1, 13, 59, 59, 500_000, tzinfo=UTC)


@pytest.fixture
def run() -> LongRun:
    """One request brought the quotes of two partitions; they were landed, streamed and loaded, a second apart."""
    made = LongRun()
    made.land(0, 2)
    made.land(1, 3)
    made.store.objects = {
        key: (data.replace(b'"fetches": {}', f'"fetches": {{"{FETCH}": "yahoo quote P0,P1"}}'.encode()), at)
        for key, (data, at) in made.store.objects.items()
    }
    made.load(made.stream())
    return made


def spans(run: LongRun, *periods: Period) -> list[ReadableSpan]:
    exporter = InMemorySpanExporter()
    tracing = Tracing(KAFKA, run.store, exporter)
    for period in periods or (EVERYTHING,):
        tracing.export(period, run.warehouse())
    return list(exporter.get_finished_spans())


def test_a_trace_goes_from_the_fetch_to_the_warehouse(run: LongRun) -> None:
    found = spans(run)
    names = sorted((str(span.resource.attributes["service.name"]), span.name) for span in found)
    assert names == [
        ("stockpipe-consumer", "land"),
        ("stockpipe-consumer", "land"),
        ("stockpipe-loader", "load"),
        ("stockpipe-producer", "fetch"),
        ("stockpipe-spark", "process"),
    ]
    assert {span.context.trace_id for span in found if span.context} == {trace_id(FETCH)}
    (root,) = (span for span in found if span.parent is None)
    assert root.context is not None
    assert {span.parent.span_id for span in found if span.parent} == {root.context.span_id}
    assert root.start_time == int(FETCHED_AT.timestamp() * 1000) * 1_000_000
    landed = [span for span in found if span.name == "land"]
    assert {(span.attributes or {})["partition"] for span in landed} == {0, 1}
    assert all(span.start_time == root.start_time for span in landed)
    assert all(span.end_time == int(BEGIN.timestamp()) * 1_000_000_000 for span in landed)


def test_the_header_of_a_record_names_the_same_trace_and_parent(run: LongRun) -> None:
    version, trace, parent, sampled = traceparent(FETCH).split("-")
    (root,) = (span for span in spans(run) if span.parent is None)
    assert root.context is not None
    assert (version, sampled) == ("00", "01")
    assert (int(trace, 16), int(parent, 16)) == (root.context.trace_id, root.context.span_id)


def test_a_step_is_exported_once_and_later_steps_follow(run: LongRun) -> None:
    exporter = InMemorySpanExporter()
    tracing = Tracing(KAFKA, run.store, exporter)
    assert tracing.export(EVERYTHING, run.warehouse()) == 5
    assert tracing.export(EVERYTHING, run.warehouse()) == 0
    run.load(run.recompute())
    assert tracing.export(EVERYTHING, run.warehouse()) == 2


def test_requests_of_other_days_and_ids_of_another_form_are_left_out(run: LongRun) -> None:
    later = run.store.now.date() + timedelta(days=1)
    assert spans(run, Period(later, None)) == []
    run.store.objects = {
        key: (data.replace(FETCH.encode(), b"made-up"), at) for key, (data, at) in run.store.objects.items()
    }
    assert [span.name for span in spans(run)] == []


@contextmanager
def otlp_server(statuses: list[int]) -> Iterator[tuple[str, list[ExportTraceServiceRequest]]]:
    taken: list[ExportTraceServiceRequest] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = statuses.pop(0) if statuses else 200
            if status == 200:
                taken.append(ExportTraceServiceRequest.FromString(body))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    with answering(HTTPServer(("127.0.0.1", 0), Handler)) as made:
        yield f"http://127.0.0.1:{made.server_port}/v1/traces", taken


def test_a_collector_takes_the_spans_and_a_refused_export_is_made_again(run: LongRun) -> None:
    with otlp_server([400]) as (url, taken):
        tracing = Tracing(KAFKA, run.store, collector(url))
        with pytest.raises(Unavailable, match="TRACES_URL"):
            tracing.export(EVERYTHING, run.warehouse())
        assert tracing.export(EVERYTHING, run.warehouse()) == 5
    (request,) = taken
    services = {
        attribute.value.string_value for part in request.resource_spans for attribute in part.resource.attributes
    }
    assert services == {f"stockpipe-{name}" for name in ("producer", "consumer", "spark", "loader")}


def test_a_producer_sends_the_header_where_the_setting_says_so() -> None:
    with mock_cluster() as kafka:
        kafka.create_topic("quotes", 1)
        settings = KafkaSettings(kafka_bootstrap_server=kafka.bootstrap)
        for traced in (True, False):
            sender = Sender(settings, "quotes", ProducerMetrics(CollectorRegistry()), quiet_log(), traced=traced)
            sender.send(quote(fetch_id=FETCH), "yahoo quote AAPL")
            sender.close()
        reader = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "t", "auto.offset.reset": "earliest"})
        reader.subscribe(["quotes"])
        headers = [dict(message.headers() or []) for message in reader.consume(2, timeout=30)]
        reader.close()
    assert [each.get("traceparent") for each in headers] == [traceparent(FETCH).encode(), None]
