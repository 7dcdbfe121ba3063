"""Settings of the consumer."""

from typing import Literal, get_args

from pydantic import Field, field_validator

from stockpipe.common.contracts.decode import Reason
from stockpipe.common.contracts.topics import TopicKind
from stockpipe.common.lake.raw_rows import RawFormat
from stockpipe.common.settings import CommaSeparated, KafkaSettings, LakeSettings, SummarySettings

_FLUSH_SECONDS: dict[TopicKind, float] = {"realtime": 10.0, "batch": 30.0, "actions": 30.0}


class ConsumerSettings(KafkaSettings, LakeSettings, SummarySettings):
    """Land every record of a topic in the raw lake, exactly once; bad records go to the topic's DLQ.

    Runs until SIGTERM or Ctrl-C, then finishes its open flush; with --drain it stops at the end of the topic. The last
    line of its output is a JSON summary.

    `stockpipe-consumer redrive` sends records back that were refused and are good by now.
    """

    topic_kind: TopicKind = Field(
        alias="topic", description="Which topic to read: quotes, daily bars, or splits and dividends"
    )
    drain: bool = Field(False, description="Read to the end offsets seen at the start, flush, commit, leave")
    flush_records: int = Field(50_000, ge=1, description="Records of a partition that make a flush due")
    flush_bytes: int = Field(64 * 2**20, ge=1024, description="Bytes of a partition's values that make a flush due")
    flush_seconds: float | None = Field(
        None,
        gt=0,
        le=120,
        description="Seconds after a partition's first unflushed record that make a flush due "
        "(default: 10 realtime, 30 batch and actions)",
    )
    raw_format: RawFormat = Field("csv", description="Format of raw objects; parquet is zstd-compressed")
    kafka_group_protocol: Literal["classic", "consumer"] = Field(
        "classic", description="Group protocol; consumer is KIP-848 and needs brokers of version 4"
    )
    kafka_group_instance_id: str | None = Field(
        None, description="Stable member name, e.g. the pod's, for restarts without a rebalance"
    )

    @property
    def flush_after_seconds(self) -> float:
        """Return FLUSH_SECONDS or the topic's default."""
        return self.flush_seconds if self.flush_seconds is not None else _FLUSH_SECONDS[self.topic_kind]


class RedriveSettings(KafkaSettings, LakeSettings):
    """Send dead letters that keep their contract by now back to their topic, each once.

    Letters that are still bad stay and can be sent after another mend. The last line of the output is a JSON summary.
    """

    topic_kind: TopicKind = Field(alias="topic", description="Which topic's DLQ to read: quotes or daily bars")
    reason: CommaSeparated = Field((), description="Only letters refused for these reasons (default: all)")
    max_attempts: int = Field(3, ge=1, description="Letters that were sent back so often stay")
    dry_run: bool = Field(False, description="Tell what would be sent, send nothing")

    @field_validator("reason")
    @classmethod
    def _known(cls, reasons: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := [reason for reason in reasons if reason not in get_args(Reason)]:
            raise ValueError(f"unknown reason {', '.join(unknown)}; the reasons are {', '.join(get_args(Reason))}")
        return reasons
