"""Settings of the three jobs."""

from datetime import date
from typing import Annotated

from pydantic import AliasChoices, BeforeValidator, Field

from stockpipe.common.settings import KafkaSettings, LakeSettings
from stockpipe.spark.transforms.windows import SlideMinutes


def _whole_number(value: object) -> object:
    return int(value) if isinstance(value, str) and value.isdecimal() else value


class SparkSettings(LakeSettings):
    """How Spark runs, and on which lake."""

    spark_master: str | None = Field(
        None, description="Spark master URL; default: what spark-submit gives, without one local[*]"
    )
    spark_shuffle_partitions: int = Field(
        4, ge=1, le=10_000, description="Partitions of a shuffle; 2 to 4 for each core"
    )
    spark_ui: bool = Field(False, description="Serve Spark's own pages on port 4040")
    spark_extra_class_path: str | None = Field(
        None, description="Class path of the Kafka and S3A jars where they aren't among Spark's own"
    )


class _BatchSettings(SparkSettings):
    """What both batch jobs ask for."""

    batch_id: str | None = Field(
        None, description="Identity of the batch, 20261123T143000Z-name; one that is committed isn't computed again"
    )


class DailySettings(_BatchSettings):
    """Compute daily metrics from all raw bars, splits and dividends of the lake and commit them as one batch.

    A symbol of which a split or dividend came into effect in these sessions is written anew from its first bar on.
    """

    run_date: date | None = Field(
        None, description="Day of the run, YYYY-MM-DD; later bars don't count (default: today, UTC)"
    )
    first_day: date | None = Field(
        None,
        validation_alias=AliasChoices("from", "from_date"),
        description="First session to write (default: the last 7 sessions up to --to)",
    )
    last_day: date | None = Field(
        None,
        validation_alias=AliasChoices("to", "to_date"),
        description="Last session to write (default: the run date)",
    )
    exchange: str = Field("XNYS", description="Exchange whose sessions the default of --from counts, ISO 10383")
    kafka_topic_batch: str = Field("stock-market-batch", description="Topic of daily bars")
    kafka_topic_actions: str = Field("stock-market-actions", description="Topic of splits and dividends")


class WindowSettings(SparkSettings):
    """What the windows are."""

    slide_minutes: Annotated[SlideMinutes, BeforeValidator(_whole_number)] = Field(
        15, description="Minutes from one window to the next"
    )


class StreamBatchSettings(_BatchSettings, WindowSettings):
    """Compute the realtime windows of whole days from the lake's raw quotes and commit them as one batch.

    Repairs what the stream left out because it came too late.
    """

    first_day: date | None = Field(
        None,
        validation_alias=AliasChoices("from", "from_date"),
        description="First day of window starts, UTC (default: --to)",
    )
    last_day: date | None = Field(
        None,
        validation_alias=AliasChoices("to", "to_date"),
        description="Last day of window starts, UTC (default: today)",
    )
    kafka_topic_realtime: str = Field("stock-market-realtime", description="Topic of quotes")


class StreamSettings(WindowSettings, KafkaSettings):
    """Compute the realtime windows of the quotes in Kafka, micro-batch by micro-batch, until told to stop."""

    trigger_seconds: int = Field(10, ge=1, le=3600, description="Seconds from one micro-batch to the next")
    available_now: bool = Field(False, description="Process what Kafka holds, then leave")
    watermark_minutes: int = Field(
        10, ge=1, le=1440, description="Minutes that a quote may be older than the newest; later ones are dropped"
    )
    max_offsets_per_trigger: int | None = Field(
        None,
        ge=1,
        description="Most Kafka records a micro-batch (default: no limit). Under a limit the partitions of a long "
        "backlog may drift further apart in time than the watermark, which drops quotes",
    )
    checkpoint: str = Field(
        "checkpoints/realtime_live",
        description="Folder of the lake with the stream's state; choose a new one with a new slide",
    )
