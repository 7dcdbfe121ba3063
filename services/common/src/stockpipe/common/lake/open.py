"""The lake's URL to a store."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from stockpipe.common.errors import ConfigError
from stockpipe.common.lake.folder import FolderStore
from stockpipe.common.lake.store import ObjectStore


def open_lake(url: str) -> ObjectStore:
    """Return the store at `url`, `file:///folder`.

    Raises:
        ConfigError: the URL has no known scheme or no absolute path.
        StoreRefused: the store refuses access.
    """
    parts = urlsplit(url)
    if parts.scheme == "file" and not parts.netloc and parts.path.startswith("/") and parts.path != "/":
        return FolderStore(Path(unquote(parts.path)))
    raise ConfigError(f"LAKE_URL {url!r} must be file:///absolute/folder")
