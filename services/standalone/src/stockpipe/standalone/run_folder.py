"""Where one run keeps its lake, warehouse, logs and Kafka; every run has a folder of its own."""

from dataclasses import dataclass
from pathlib import Path

from stockpipe.common import ids
from stockpipe.common.clock import Clock
from stockpipe.common.errors import ConfigError
from stockpipe.common.settings import WarehouseSettings
from stockpipe.standalone import paths


@dataclass(frozen=True)
class RunFolder:
    """The folder of a run and what lies in it."""

    path: Path

    @property
    def lake_url(self) -> str:
        """Return the lake's URL."""
        return f"file://{self.path / 'lake'}"

    @property
    def warehouse_url(self) -> str:
        """Return the warehouse's URL."""
        return f"duckdb://{self.path / 'warehouse.duckdb'}"

    @property
    def warehouse(self) -> WarehouseSettings:
        """Return how to open the warehouse."""
        return WarehouseSettings(warehouse_url=self.warehouse_url)

    @property
    def kafka(self) -> Path:
        """Return the broker's folder, removed at the end of the run."""
        return self.path / "kafka"

    @property
    def scratch(self) -> Path:
        """Return the folder of Spark's temporary files, removed at the end of the run."""
        return self.path / "scratch"

    def log(self, name: str) -> Path:
        """Return the log file of a program."""
        return self.path / "logs" / f"{name}.log"


def new_run(kind: str, clock: Clock, entropy: ids.Entropy) -> RunFolder:
    """Make the folder of a new run.

    Raises:
        ConfigError: it can't be made.
    """
    folder = RunFolder(paths.RUNS / ids.batch_id(clock.now(), f"{kind}-{entropy()}"))
    try:
        for path in (folder.log("x").parent, folder.scratch):
            path.mkdir(parents=True)
    except OSError as error:
        raise ConfigError(f"run folder {folder.path} can't be made: {error.strerror}") from error
    return folder
