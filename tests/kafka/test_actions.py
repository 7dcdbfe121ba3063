"""Splits and dividends: source's answer → topic → raw lake."""

from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from stockpipe.common.contracts.corporate_action import CorporateAction
from stockpipe.common.kafka import header_list
from stockpipe.common.metrics import ProducerMetrics
from stockpipe.producer.sender import Sender
from stockpipe.producer.settings import BatchSettings
from stockpipe.standalone.broker import Broker
from support.kafka_io import Raw, new_topic, produce, read_all
from support.landing import drain, landed, quiet_log


def action(**changes: Any) -> CorporateAction:
    values: dict[str, Any] = {
        "symbol": "AAPL",
        "ex_date": "2026-11-20",
        "kind": "split",
        "ratio": 4.0,
        "currency": "USD",
        "source": "yahoo",
        "origin": "backfill",
        "fetched_at": "2026-11-23T14:30:00.250Z",
        "fetch_id": "yahoo-20261123T143000250Z-1a2b3c",
        "batch_id": "20261123T143000Z-daily",
    }
    return CorporateAction(**(values | changes))


def test_actions_are_landed_under_their_own_prefix_and_bad_ones_go_to_the_dlq(broker: Broker, tmp_path: Path) -> None:
    topic = new_topic(broker)
    settings = BatchSettings(kafka_bootstrap_server=broker.bootstrap)
    sender = Sender(settings, topic, ProducerMetrics(CollectorRegistry()), quiet_log())
    dividend = action(kind="dividend", ratio=None, amount=0.25, ex_date="2027-01-15")
    for each in (action(), dividend, action(kind="dividend")):
        sender.send(each, "yahoo chart AAPL")
    sender.close()
    produce(broker, topic, [Raw(b"{}", headers=(("schema", b"corporate_action.v1"),)), Raw(b"{}")])
    summary = drain(broker, topic, tmp_path, "actions")
    assert (summary.records, summary.rejected) == (2, 3)
    rows = [row for found in landed(tmp_path, topic, "actions").values() for _offset, row in found]
    assert {(row["kind"], row["ex_date"], row["ratio"], row["amount"]) for row in rows} == {
        ("split", "2026-11-20", 4.0, None),
        ("dividend", "2027-01-15", None, 0.25),
    }
    (path,) = (tmp_path / "raw/actions").rglob("*.csv")
    assert path.name.startswith("AAPL_143000_p")
    assert path.parent == tmp_path / "raw/actions/year=2026/month=11/day=23"
    reasons = [dict(header_list(message))["reason"] for message in read_all(broker, topic + ".dlq")]
    assert sorted(reasons, key=str) == [b"missing_field", b"out_of_bounds", b"unknown_schema"]
