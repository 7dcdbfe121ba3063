"""The lake that the settings name."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from stockpipe.common.errors import ConfigError
from stockpipe.common.lake.folder import FolderStore
from stockpipe.common.lake.store import ObjectStore
from stockpipe.common.settings import OptionalLakeSettings


def open_lake(settings: OptionalLakeSettings) -> ObjectStore:
    """Return the store at LAKE_URL, `file:///folder` or `s3://bucket`.

    Raises:
        ConfigError: the URL has no known scheme or no absolute path, or a setting of the bucket is missing.
        StoreRefused: the store refuses access.
        StoreUnavailable: the store can't be reached.
    """
    url = settings.lake_url or ""
    parts = urlsplit(url)
    if parts.scheme == "file" and not parts.netloc and parts.path.startswith("/") and parts.path != "/":
        return FolderStore(Path(unquote(parts.path)))
    if parts.scheme == "s3":
        # the client takes a while to import, and a folder needs none
        from stockpipe.common.lake.s3 import S3Store
        from stockpipe.common.lake.s3_bucket import Bucket

        return S3Store(Bucket.of(settings))
    raise ConfigError(f"LAKE_URL {url!r} must be file:///absolute/folder or s3://bucket")
