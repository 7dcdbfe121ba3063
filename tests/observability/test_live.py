"""The real programs, scraped by a real Prometheus: every panel and alert gives an answer, and faults raise alerts.

What the cluster's own exporters give (kubelet, kube-state-metrics, MinIO) isn't there: there it is enough
that the queries are right.
"""

import secrets
from datetime import UTC, datetime

import pytest
from confluent_kafka import Producer
from msgspec.structs import replace

from observability.dashboards import BOARDS
from observability.panels import Panel
from observability.registry import all_metrics
from stockpipe.common import ids
from stockpipe.common.contracts.manifests import ProcessedFile
from stockpipe.common.errors import DataRefused
from stockpipe.common.lake.folder import FolderStore
from stockpipe.common.lake.manifests import commit_processed
from stockpipe.common.times import to_text
from stockpipe.standalone.pipeline import TOPICS
from support.live_stack import Stack
from support.processed import manifest_of
from support.rule_cases import NAMESPACE
from support.waiting import eventually

PANELS = [panel for board in BOARDS for panel in board.panels]


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

    try:
        eventually(all_have_data, "all panels have data", seconds=60)
    except AssertionError:
        pytest.fail("; ".join(f"{panel.title}: {empty(stack, panel)}" for panel in waiting))


def test_every_other_panel_and_every_rule_can_be_evaluated(stack: Stack) -> None:
    for panel in PANELS:
        empty(stack, panel)
    assert stack.prometheus.rule_errors() == []


def test_what_is_scraped_is_what_the_registry_declares(stack: Stack) -> None:
    declared = {name for metric in all_metrics() for name in metric.series}
    scraped = {name for name in stack.prometheus.metrics() if name.startswith("stockpipe_")}
    assert len(scraped) > 50
    assert {name for name in scraped if not name.endswith("_created")} <= declared


def test_a_healthy_pipeline_raises_no_alert_but_the_watchdog(stack: Stack) -> None:
    stack.await_quiet(*stack.prometheus.firing() - {"Watchdog"})
    assert stack.prometheus.firing() == {"Watchdog"}


def test_paused_programs_are_noticed_and_forgotten_once_they_go_on(stack: Stack) -> None:
    stack.pause("consumer", "stream")
    stack.await_firing("LandingLate", "StreamStalled", "TargetDown")
    stack.resume("consumer", "stream")
    stack.await_quiet("LandingLate", "StreamStalled", "TargetDown")


def test_a_batch_that_cannot_be_loaded_is_noticed(stack: Stack) -> None:
    store = FolderStore(stack.pipeline.folder.path / "lake")
    now = datetime.now(UTC)
    batch_id = ids.batch_id(now, f"daily-{secrets.token_hex(3)}")
    file = ProcessedFile(key=f"processed/historical/{batch_id}.parquet", rows=1, bytes=10)
    commit_processed(store, replace(manifest_of("daily", batch_id, [file]), produced_at=to_text(now)))
    stack.await_firing("LoadingFails")


def test_records_that_break_their_contract_are_noticed_first_a_few_then_most(stack: Stack) -> None:
    producer = Producer({"bootstrap.servers": stack.pipeline.broker.bootstrap})
    for number in range(30):
        producer.produce(TOPICS[0], b"{", key=b"AAPL", partition=number % 6)
    producer.flush(10)
    stack.await_firing("TooManyRefused")
    for number in range(3_000):
        producer.produce(TOPICS[0], b'{"schema": "drifted"}', key=b"AAPL", partition=number % 6)
    producer.flush(10)
    stack.await_firing("ConsumerStopped")
    stack.services["consumer"].ask_to_stop()
    assert stack.services["consumer"].wait(20.0) == DataRefused.exit_code
