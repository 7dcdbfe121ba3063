"""A folder on a local disk as object store."""

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from stockpipe.common.lake.store import (
    ObjectExists,
    ObjectInfo,
    ObjectMissing,
    StoreRefused,
    StoreUnavailable,
    check_key,
)

_HEALS = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ESTALE}
_UNFINISHED = ".unfinished"


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        detail = f"lake folder: {path}: {os.strerror(error.errno or 0)}"
        if error.errno in _HEALS:
            raise StoreUnavailable(f"{detail}; free space or mend the disk") from error
        raise StoreRefused(f"{detail}; check LAKE_URL and the folder's owner and mode") from error


class FolderStore:
    """Objects are files. A new one is written aside, synced, then linked to its name: atomic create-if-absent.

    Names that begin with a dot are not objects: Spark keeps its checksums in such files.
    """

    def __init__(self, root: Path) -> None:
        """Open the folder, made if absent.

        Raises:
            StoreRefused: the folder can't be made or written.
        """
        self._root = root
        self._unfinished = root / _UNFINISHED
        with _translated(root):
            self._unfinished.mkdir(parents=True, exist_ok=True)
            if not os.access(self._unfinished, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, "not writable")

    @property
    def url(self) -> str:
        return f"file://{self._root}"

    def spark_url(self, key: str) -> str:
        return f"file://{self._path(key)}"

    def create(self, key: str, data: bytes) -> None:
        path = self._path(key)
        unfinished = self._unfinished / secrets.token_hex(16)
        with _translated(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                with unfinished.open("xb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                try:
                    os.link(unfinished, path)
                except FileExistsError:
                    raise ObjectExists(f"object {key} exists already") from None
                self._sync_folder(path.parent)
            finally:
                unfinished.unlink(missing_ok=True)

    def get(self, key: str) -> bytes:
        path = self._path(key)
        with _translated(path):
            try:
                return path.read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                raise ObjectMissing(f"object {key} is missing in {self.url}") from None

    def list(self, prefix: str, *, after: str = "") -> Iterator[ObjectInfo]:
        folder = self._root / prefix.rpartition("/")[0]
        with _translated(folder):
            found = sorted(self._walk(folder, prefix, after), key=lambda info: info.key)
        yield from found

    def delete(self, key: str) -> None:
        path = self._path(key)
        with _translated(path):
            path.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        check_key(key)
        return self._root / key

    def _walk(self, folder: Path, prefix: str, after: str) -> Iterator[ObjectInfo]:
        for parent, folders, files in os.walk(folder):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for name in files:
                path = Path(parent, name)
                key = path.relative_to(self._root).as_posix()
                if name.startswith(".") or not key.startswith(prefix) or key <= after:
                    continue
                try:
                    stat = path.stat()
                except FileNotFoundError:
                    continue
                yield ObjectInfo(key, stat.st_size, datetime.fromtimestamp(stat.st_mtime, UTC))

    @staticmethod
    def _sync_folder(folder: Path) -> None:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
