"""Settings of the auditor."""

from datetime import date, datetime

from pydantic import AliasChoices, Field

from stockpipe.common.settings import KafkaSettings, LakeSettings, WarehouseSettings


class BooksSettings(KafkaSettings, LakeSettings, WarehouseSettings):
    """Check every hop from Kafka to the warehouse and print the books; exit 1 if anything is unaccounted.

    Every raw object is read and its sha256 compared, every processed row is compared with the warehouse. Without dates
    all of it is checked; with them, what was landed, processed and loaded on those days (UTC).
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
    as_json: bool = Field(False, validation_alias="json", description="Print one JSON object instead of text")
