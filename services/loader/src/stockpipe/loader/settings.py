"""Settings of the loader's commands."""

from pathlib import Path

from pydantic import Field

from stockpipe.common.contracts.manifests import DatasetName
from stockpipe.common.settings import LakeSettings, SummarySettings, WarehouseSettings


class LoaderWarehouseSettings(WarehouseSettings):
    """The warehouse, and how long to wait for it."""

    lock_seconds: float = Field(
        30, ge=0, le=3600, description="Seconds to wait while another loader holds the DuckDB file or Snowflake table"
    )


class MigrateSettings(LoaderWarehouseSettings):
    """Create the warehouse's tables and add the columns that the contract gained; safe to repeat."""


class CheckConnectionSettings(LoaderWarehouseSettings):
    """Tell in one line whether the warehouse can be reached, its version and which tables it has."""


class _StagingSettings(LakeSettings, LoaderWarehouseSettings):
    staging_folder: Path | None = Field(
        None,
        description="Folder for one batch's rows on their way to Snowflake; default: the system's temporary one",
    )


class LoadSettings(_StagingSettings, SummarySettings):
    """Load one processed batch, all of it or nothing; a batch that is loaded already is left alone.

    The last line on standard output is a JSON summary.
    """

    dataset: DatasetName = Field(description="Processed dataset of the batch: daily, realtime or realtime_live")
    batch_id: str = Field(description="Batch to load, such as 20261123T143000Z-daily")


class WatchSettings(_StagingSettings):
    """Load every new batch of every dataset, oldest first, until stopped.

    SIGTERM and SIGINT end it after the batch in hand. A batch that can't be loaded is reported and tried again later.
    """

    poll_seconds: float = Field(10, gt=0, le=3600, description="Seconds between looks at the lake")
    rescan_seconds: float = Field(
        3600, gt=0, description="Seconds between looks at all manifests; the looks between see the last two days"
    )
    retry_seconds: float = Field(
        10, gt=0, description="Seconds until a failed batch is tried again, doubled after each failure"
    )
    retry_max_seconds: float = Field(900, gt=0, description="Most seconds between two tries of a failed batch")
