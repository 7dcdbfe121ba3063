"""The real programs, scraped by a real Prometheus: every panel and alert gives an answer, and faults raise alerts.

What the cluster's own exporters give (kubelet, kube-state-metrics, MinIO) isn't there: there it is enough
that the queries are right. The rules' minutes are seconds here; that they are right is shown by test_rules.
"""

import re
import secrets
from datetime import UTC, datetime, timedelta
from urllib.request import urlopen

import duckdb
import pytest
from confluent_kafka import Producer

from observability.dashboards import BOARDS
from observability.panels import Panel
from observability.registry import all_metrics
from stockpipe.common import ids
from stockpipe.common.errors import DataRefused
from stockpipe.common.lake.folder import FolderStore
from stockpipe.common.lake.layout import processed_manifest
from stockpipe.common.times import to_text
from stockpipe.standalone.pipeline import TOPICS
from support.kafka_io import encoded, produce
from support.live_stack import Stack
from support.processed import daily_row, write_batch
from support.records import quote
from support.rule_cases import NAMESPACE
from support.waiting import eventually

PANELS = [panel for board in BOARDS for panel in board.panels]
EXPORTER = {"stream": "spark", "asker": "producer"}
"""Program of the registry, where it has another name than in the stack."""


def empty(stack: Stack, panel: Panel) -> list[str]:
    """Return the panel's queries that give nothing now; one that is wrong fails here."""
    queries = [query.promql.replace("$namespace", NAMESPACE) for query in panel.queries]
    return [query for query in queries if not stack.prometheus.query(query)]


def test_every_panel_that_must_have_data_has_some(stack: Stack) -> None:
    waiting = [panel for panel in PANELS if panel.always]
    assert len(waiting) > 30

    def all_have_data() -> bool:
        waiting[:] = [panel for panel in waiting if empty(stack, panel)]
        return not waiting

    with urlopen(f"{stack.api}/v1/freshness", timeout=10) as answer:
        assert answer.status == 200
    try:
        eventually(all_have_data, "all panels have data", seconds=60)
    except AssertionError:
        pytest.fail("; ".join(f"{panel.title}: {empty(stack, panel)}" for panel in waiting))


def test_every_other_panel_and_every_rule_can_be_evaluated(stack: Stack) -> None:
    for panel in PANELS:
        empty(stack, panel)
    assert stack.prometheus.rule_errors() == []


def test_each_program_exposes_what_the_registry_declares_for_it_and_nothing_else(stack: Stack) -> None:
    for name in stack.services:
        exposed = set(re.findall(r"^# TYPE (stockpipe_\w+) ", stack.exposed(name), re.MULTILINE))
        declared = {each.name for each in all_metrics() if each.program == EXPORTER.get(name, name)}
        assert {each for each in exposed if not each.endswith("_created")} == declared, name


def test_what_is_scraped_has_no_label_whose_values_have_no_end(stack: Stack) -> None:
    series = stack.prometheus.query('{__name__=~"stockpipe_.*"}')
    assert len({each["metric"]["__name__"] for each in series}) > 50
    values = {value for each in series for name, value in each["metric"].items() if name not in ("__name__", "le")}
    numbered = {value for value in values if re.search(r"\d{4}|[0-9a-f]{8}", value)}
    assert values.isdisjoint({"AAPL", "MSFT", "NVDA"})
    assert {value for value in numbered if not value.startswith("127.0.0.1:")} == set()


def test_five_hundred_symbols_make_no_more_series_than_six(stack: Stack) -> None:
    def series() -> dict[str, int]:
        found = stack.prometheus.query('count by (pod) ({__name__=~"stockpipe_.*"})')
        return {each["metric"]["pod"]: int(each["value"][1]) for each in found}

    def loaded() -> float:
        (found,) = stack.prometheus.query('sum(stockpipe_loader_rows_total{dataset="realtime_live"})')
        return float(found["value"][1])

    before, rows = series(), loaded()
    at = to_text(datetime.now(UTC))
    many = [quote(symbol=f"S{number:03}", event_time=at) for number in range(500)]
    produce(stack.pipeline.broker, TOPICS[0], map(encoded, many))
    eventually(lambda: loaded() >= rows + 500, "they are loaded", 60)
    assert before.keys() == stack.targets.keys()
    assert series() == before


def test_a_healthy_pipeline_raises_no_alert_but_the_watchdog(stack: Stack) -> None:
    stack.await_quiet(*stack.prometheus.firing() - {"Watchdog"})
    assert stack.prometheus.firing() == {"Watchdog"}


def test_a_killed_stream_and_a_frozen_consumer_are_noticed_and_forgotten_once_they_go_on(stack: Stack) -> None:
    stack.kill("stream")
    stack.pause("consumer")
    stack.await_firing("LandingLate", "StreamStalled", "TargetDown")
    stack.resume("consumer")
    stack.start("stream")
    stack.await_quiet("LandingLate", "StreamStalled", "TargetDown")


def test_a_storm_of_429_is_noticed_until_the_source_answers_again(stack: Stack) -> None:
    stack.source.status = 429
    stack.await_firing("SourcesDown")
    stack.source.status = 200
    stack.await_quiet("SourcesDown")


def test_copies_of_a_quote_and_a_late_burst_are_noticed_while_they_last(stack: Stack) -> None:
    now = datetime.now(UTC)
    copies = [quote(symbol="COPY", event_time=to_text(now))] * 100
    late = [quote(symbol="LATE", event_time=to_text(now - timedelta(minutes=40, seconds=each))) for each in range(100)]
    produce(stack.pipeline.broker, TOPICS[0], map(encoded, [*copies, *late]))
    stack.await_firing("ManyDuplicates", "ManyLateQuotes")
    stack.await_quiet("ManyDuplicates", "ManyLateQuotes")


def test_a_warehouse_that_cannot_be_reached_is_noticed_until_it_can(stack: Stack) -> None:
    outage: list[duckdb.DuckDBPyConnection] = []

    def is_taken() -> bool:
        try:
            outage.append(duckdb.connect(stack.pipeline.folder.path / "warehouse.duckdb"))
        except duckdb.Error:  # the loader has it just now
            return False
        return True

    eventually(is_taken, "the warehouse's file is ours")
    stack.await_firing("SinkUnreachable")
    outage[0].close()
    stack.await_quiet("SinkUnreachable")


def test_a_batch_that_checks_refuse_is_noticed_until_it_is_gone(stack: Stack) -> None:
    lake = stack.pipeline.folder.path / "lake"
    now = datetime.now(UTC)
    batch_id = ids.batch_id(now, f"daily-{secrets.token_hex(3)}")
    write_batch(FolderStore(lake), "daily", batch_id, [daily_row(daily_low=0.0)], rows_in=0, produced_at=to_text(now))
    stack.await_firing("ChecksFail", "LoadingFails")
    (lake / processed_manifest("daily", batch_id)).unlink()
    stack.await_quiet("ChecksFail", "LoadingFails")


def test_records_that_break_their_contract_are_noticed_first_a_few_then_most(stack: Stack) -> None:
    producer = Producer({"bootstrap.servers": stack.pipeline.broker.bootstrap})
    for number in range(30):
        producer.produce(TOPICS[0], b"{", key=b"AAPL", partition=number % 6)
    producer.flush(10)
    stack.await_firing("TooManyRefused")
    for number in range(1_500):
        producer.produce(TOPICS[0], b'{"schema": "drifted"}', key=b"AAPL", partition=number % 6)
    producer.flush(10)
    stack.await_firing("ConsumerStopped")

    def reads_on() -> bool:
        """Start the consumer again where its breaker tripped, as its Deployment does."""
        if re.search(r"^stockpipe_consumer_breaker_open\{.*\} 1", stack.exposed("consumer"), re.MULTILINE):
            stack.services["consumer"].ask_to_stop()
        if stack.services["consumer"].poll() is not None:
            assert stack.services["consumer"].poll() == DataRefused.exit_code
            stack.start("consumer")
        return not stack.prometheus.firing() & {"ConsumerStopped", "TooManyRefused"}

    eventually(reads_on, "the consumer is through, and the alerts clear", 120)


def test_in_the_end_all_is_quiet_and_no_record_was_ever_unaccounted(stack: Stack) -> None:
    stack.await_quiet(*stack.prometheus.firing() - {"Watchdog"})
    unaccounted = 'ALERTS{alertname="RecordsUnaccounted",alertstate="firing"}[1h]'
    assert stack.prometheus.query(f"count_over_time({unaccounted})") == []
