"""The producer's Sender against a real Kafka: what it keeps from record to record must not show."""

from prometheus_client import CollectorRegistry

from stockpipe.common.contracts.daily_bar import DailyBar
from stockpipe.common.contracts.quote import Quote
from stockpipe.common.kafka import header_list
from stockpipe.common.metrics import ProducerMetrics
from stockpipe.common.settings import KafkaSettings
from stockpipe.producer.sender import Sender
from stockpipe.standalone.broker import Broker
from support.kafka_io import new_topic, read_all
from support.landing import quiet_log
from support.records import bar, quote


def test_each_record_has_the_headers_of_its_own_answer_and_is_counted_at_the_next_poll(broker: Broker) -> None:
    topic, registry = new_topic(broker, partitions=1), CollectorRegistry()
    sender = Sender(
        KafkaSettings(kafka_bootstrap_server=broker.bootstrap), topic, ProducerMetrics(registry), quiet_log()
    )
    sent: list[tuple[Quote | DailyBar, str]] = [
        (quote(fetch_id="a"), "first"),
        (quote(fetch_id="a"), "first"),
        (quote(fetch_id="b"), "first"),
        (quote(fetch_id="b"), "second"),
        (bar(fetch_id="b"), "second"),
        (quote(fetch_id="a", source="replay"), "first"),
    ]
    for record, request in sent[:5]:
        sender.send(record, request)
    sender.poll()
    assert _counted(registry, topic, "sample") == 5
    sender.send(*sent[5])
    sender.flush()
    assert (_counted(registry, topic, "sample"), _counted(registry, topic, "replay")) == (5, 1)
    found = [dict(header_list(message)) for message in read_all(broker, topic)]
    schemas = [b"daily_bar.v1" if number == 4 else b"quote.v1" for number in range(len(sent))]
    assert found == [
        {"schema": schema, "fetch_id": record.fetch_id.encode(), "request": request.encode()}
        for schema, (record, request) in zip(schemas, sent, strict=True)
    ]


def _counted(registry: CollectorRegistry, topic: str, source: str) -> float | None:
    return registry.get_sample_value("stockpipe_producer_records_total", {"topic": topic, "source": source})
