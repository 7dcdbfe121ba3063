"""Settings of the auditor."""

from datetime import date, datetime

from pydantic import AliasChoices, Field

from stockpipe.common.settings import KafkaSettings, LakeSettings, SummarySettings, WarehouseSettings


class BooksSettings(KafkaSettings, LakeSettings, WarehouseSettings, SummarySettings):
    """Check every hop from Kafka to the warehouse and print the books; exit 1 if anything is unaccounted.

    Every raw object is read and its sha256 compared, every processed row is compared with the warehouse. What the
    checks of the batches found is told too, but is no matter of the exit code. Without dates all of it is checked; with
    them, what was landed, processed and loaded on those days (UTC).
    """

    first_day: date | None = Field(
        None, validation_alias=AliasChoices("from", "from_date"), description="First day to check, e.g. 2026-11-20"
    )
    last_day: date | None = Field(
        None, validation_alias=AliasChoices("to", "to_date"), description="Last day to check, included"
    )
    as_json: bool = Field(False, validation_alias="json", description="Print one JSON object instead of tables")


class TraceSettings(LakeSettings, WarehouseSettings):
    """Walk a warehouse row back to its batch, raw objects, Kafka offsets and the requests that fetched it.

    Give --date for a row of DAILY_STOCK_METRICS, or --window-start for one of REALTIME_STOCK_ANALYTICS.
    """

    symbol: str = Field(description="Ticker of the row")
    day: date | None = Field(None, validation_alias="date", description="Session date of a daily row, e.g. 2013-03-01")
    window_start: datetime | None = Field(
        None, description="Start of a realtime row's window, UTC, e.g. 2013-03-01T15:00:00Z"
    )
    kafka_topic_realtime: str = Field("stock-market-realtime", description="Topic of quotes")
    kafka_topic_batch: str = Field("stock-market-batch", description="Topic of daily bars")
    kafka_topic_actions: str = Field("stock-market-actions", description="Topic of splits and dividends")
    as_json: bool = Field(False, validation_alias="json", description="Print one JSON object instead of text")


class MaintainSettings(KafkaSettings, LakeSettings, WarehouseSettings):
    """Keep the lake small: retention, compaction of small files, removal of what no manifest needs.

    Without --apply it changes nothing and tells what it would do. It may run at any time, beside all other programs and
    beside another run of itself. Daily bars, checkpoints and what isn't loaded into the warehouse always stay.
    """

    apply: bool = Field(False, description="Do it, instead of telling what would be done")
    raw_retention_days: int = Field(30, ge=0, description="Days after which raw quotes go; 0 = never")
    processed_retention_days: int = Field(365, ge=0, description="Days after which processed batches go; 0 = never")
    compact_after_days: int = Field(2, ge=1, description="Days after which a day's small processed files become few")
    orphan_hours: float = Field(
        24, ge=1, description="Age in hours below which nothing is removed; longer than any flush, job or reader runs"
    )
    as_json: bool = Field(False, validation_alias="json", description="Print one JSON object instead of tables")


_LINEAGE_URL = (
    "Whom to tell of runs, file:///absolute/file.ndjson, http(s)://host[:port][/path] of a server that speaks "
    "OpenLineage, or kafka:///topic"
)


class LineageSettings(KafkaSettings, LakeSettings, WarehouseSettings):
    """Tell the runs of producer, consumer, Spark and loader as OpenLineage events, from what they committed.

    A run has the same id whenever it is told. Without dates all runs are told; with them, those that committed
    something on these days (UTC). The last line of the output is JSON.
    """

    lineage_url: str = Field(description=_LINEAGE_URL)
    first_day: date | None = Field(
        None, validation_alias=AliasChoices("from", "from_date"), description="First day, e.g. 2026-11-20"
    )
    last_day: date | None = Field(
        None, validation_alias=AliasChoices("to", "to_date"), description="Last day, included"
    )


class AuditWatchSettings(KafkaSettings, LakeSettings, WarehouseSettings):
    """Audit the last days again and again and export what doesn't balance as metrics, until stopped.

    A round reads the raw objects and processed files of AUDIT_DAYS days and compares the warehouse's rows of these, so
    its cost doesn't grow with the age of the lake. `books` checks everything.
    """

    audit_seconds: float = Field(60, gt=0, description="Seconds between the starts of two audits")
    exchange: str = Field("XNYS", description="Exchange whose open time staleness counts, ISO 10383 code")
    audit_days: int = Field(1, ge=1, description="Days before today, UTC, that are audited along with it")
    orphan_hours: float = Field(24, ge=1, description="Age in hours from which an unlisted object is an orphan")
    lineage_url: str | None = Field(None, description=f"{_LINEAGE_URL} (default: nobody is told)")
    traces_url: str | None = Field(
        None,
        pattern=r"^https?://[^/]+/.+$",
        description="OpenTelemetry collector that gets a trace of each request to a source, by OTLP over HTTP, "
        "http(s)://host:4318/v1/traces (default: no traces)",
    )
