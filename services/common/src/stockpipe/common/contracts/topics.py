"""Which contract travels on which kind of topic."""

from typing import Literal

TopicKind = Literal["realtime", "batch", "actions"]

DLQ_SUFFIX = ".dlq"
HEADER_SCHEMA = "schema"
HEADER_FETCH_ID = "fetch_id"
HEADER_REQUEST = "request"
"""What was asked of the source, e.g. `GET chart/AAPL interval=1d`; kept in the raw manifest for lineage."""


def dlq_topic(topic: str) -> str:
    """Return the name of the dead-letter topic of `topic`."""
    return topic + DLQ_SUFFIX
