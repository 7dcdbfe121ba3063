"""The files of a DuckDB warehouse, and how to attach one.

    warehouse.duckdb                the database; the loader opens it, alone, while it loads
    warehouse.duckdb.snapshot       what readers open: a whole copy, replaced by rename after each load

DuckDB is imported only when a file is attached: most services never need it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from stockpipe.common.errors import ConfigError
from stockpipe.common.warehouse.urls import DUCKDB

if TYPE_CHECKING:
    import duckdb

CATALOG = "warehouse"
"""The name every connection attaches the file under, so that names don't depend on the file's name."""


@dataclass(frozen=True)
class DuckDBFile:
    """A warehouse in one file."""

    path: Path

    @property
    def snapshot(self) -> Path:
        """Return the copy that readers open."""
        return self.path.with_name(f"{self.path.name}.snapshot")

    @property
    def unfinished_snapshot(self) -> Path:
        """Return where a new copy is written before it is renamed."""
        return self.path.with_name(f"{self.path.name}.snapshot.unfinished")

    @property
    def spill(self) -> Path:
        """Return the folder for what doesn't fit into memory."""
        return self.path.with_name(f"{self.path.name}.spill")


def duckdb_file(url: str) -> DuckDBFile:
    """Return the file that `duckdb:///absolute/file.duckdb` names.

    Raises:
        ConfigError: another form.
    """
    parts = urlsplit(url)
    path = unquote(parts.path)
    if parts.netloc or parts.query or parts.fragment or not path.startswith("/") or path.endswith("/"):
        raise ConfigError(f"WAREHOUSE_URL {url!r} must be {DUCKDB}")
    return DuckDBFile(Path(path))


def attach(path: Path, *, read_only: bool) -> "duckdb.DuckDBPyConnection":
    """Return a connection whose current catalog is the file at `path`.

    Each call makes its own DuckDB instance: `duckdb.connect(path)` would hand a second reader of the process the
    first one's file, even after a newer copy took its name.

    Raises:
        duckdb.Error: the file can't be opened; its class and text tell why.
    """
    import duckdb

    connection = duckdb.connect(":memory:", config={"autoinstall_known_extensions": "false"})
    try:
        quoted = str(path).replace("'", "''")
        connection.execute(f"ATTACH '{quoted}' AS {CATALOG} ({'READ_ONLY' if read_only else 'READ_WRITE'})")
        connection.execute(f"USE {CATALOG}")
    except BaseException:
        connection.close()
        raise
    return connection


def reason(error: "duckdb.Error") -> str:
    """Return the first line of what DuckDB says; the others quote SQL and links."""
    return str(error).splitlines()[0].strip()
