"""Running the redrive, and auditing a topic."""

from pathlib import Path
from typing import Any

from stockpipe.auditor.offsets import topic_offsets
from stockpipe.auditor.period import Period
from stockpipe.auditor.raw_hop import RawHop
from stockpipe.common.clock import Clock, SystemClock
from stockpipe.common.contracts.topics import dlq_topic
from stockpipe.common.kafka import group_reader, require_topics
from stockpipe.common.lake.folder import FolderStore
from stockpipe.consumer.accounts import Accounts
from stockpipe.consumer.once import OnceProducer
from stockpipe.consumer.redrive import Redrive, RedriveSummary
from stockpipe.consumer.settings import RedriveSettings
from stockpipe.standalone.broker import Broker
from support.landing import quiet_log, settings_for


def new_redrive(
    broker: Broker,
    topic: str,
    lake: Path,
    clock: Clock | None = None,
    producer: OnceProducer | None = None,
    **changes: Any,
) -> Redrive:
    """Return a redrive with `producer`, by default one of its own."""
    settings = _settings(broker, topic, **changes)
    reader = group_reader(settings, f"{topic}-redrive")
    partitions = require_topics(reader, settings, dlq_topic(topic))[dlq_topic(topic)]
    if not settings.dry_run:
        producer = producer or OnceProducer(settings, quiet_log(), topic)
    accounts = Accounts(FolderStore(lake), "realtime", topic)
    return Redrive(settings, reader, producer, accounts, clock or SystemClock(), partitions)


def _settings(broker: Broker, topic: str, **changes: Any) -> RedriveSettings:
    return RedriveSettings(
        topic="realtime",
        kafka_bootstrap_server=broker.bootstrap,
        kafka_topic_realtime=topic,
        lake_url="file:///unused",
        **changes,
    )


def settle(broker: Broker, topic: str) -> None:
    """Wait until all can see how the last transaction ended; Kafka answers a commit before its readers see it."""
    OnceProducer(_settings(broker, topic), quiet_log(), topic)


def redrive(broker: Broker, topic: str, lake: Path, clock: Clock | None = None, **changes: Any) -> RedriveSummary:
    """Redrive once; every record of the DLQ must be accounted for."""
    summary = new_redrive(broker, topic, lake, clock, **changes).run()
    settle(broker, topic)
    stayed = summary.already_sent + summary.duplicates + summary.not_selected + summary.exhausted
    stayed += summary.uncommitted + summary.landed + summary.foreign
    assert summary.read == summary.sent.total() + summary.still_bad.total() + stayed
    return summary


def assert_books_balance(broker: Broker, topic: str, lake: Path) -> None:
    """Audit the topic: every offset is a raw row, in the DLQ, or was never delivered."""
    hop = RawHop(
        FolderStore(lake), "realtime", topic_offsets(settings_for(broker, topic), "realtime"), Period(None, None)
    )
    hop.audit()
    assert hop.findings == []
    assert [(books.unaccounted, books.waiting) for books in hop.books] == [(0, 0)] * len(hop.books)
