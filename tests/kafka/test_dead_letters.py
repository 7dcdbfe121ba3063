"""What the auditor reads of a DLQ."""

from pathlib import Path

from stockpipe.auditor.offsets import topic_offsets
from stockpipe.common.kafka import header_list
from stockpipe.standalone.broker import Broker
from support.kafka_io import Raw, new_topic, produce, read_all
from support.landing import drain, settings_for


def test_dead_letters_are_counted_by_reason_each_once(broker: Broker, tmp_path: Path) -> None:
    topic = new_topic(broker)
    produce(broker, topic, [Raw(b"{"), Raw(b"{x"), Raw(b"{}")])
    assert drain(broker, topic, tmp_path).rejected == 3
    letters = read_all(broker, f"{topic}.dlq")
    twice = [Raw(each.value(), each.key(), header_list(each), each.partition() or 0) for each in letters]  # type: ignore[arg-type]
    produce(broker, f"{topic}.dlq", twice)
    found = topic_offsets(settings_for(broker, topic), "realtime")
    assert found.reasons == {"not_json": 2, "missing_field": 1}
    assert sum(len(offsets) for offsets in found.dead.values()) == 3
