"""Publishes a copy of the DuckDB file for readers, by atomic rename.

The copy gets the modification time of the database, so equal times mean that it is current: whoever opens the
database next sees by that whether a loader died between its commit and the publishing.
"""

import errno
import os
import shutil
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

from stockpipe.common.warehouse.duckdb_file import DuckDBFile
from stockpipe.loader.warehouse import WarehouseUnavailable

_NO_KERNEL_COPY = {errno.ENOSYS, errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM}


def is_current(file: DuckDBFile) -> bool:
    """Return whether readers see the database as it is; asked after CHECKPOINT by who holds the database."""
    try:
        return file.snapshot.stat().st_mtime_ns == file.path.stat().st_mtime_ns
    except FileNotFoundError:
        return False


def publish(file: DuckDBFile, after_closing: ExitStack) -> None:
    """Replace the readers' copy by one of the database, which the caller holds and has checkpointed.

    The database is read through a descriptor that `after_closing` closes, and the caller closes that only after
    the database: a process that closes any descriptor of a file loses all its POSIX locks on it, DuckDB's included.

    Raises:
        WarehouseUnavailable: the copy can't be written; the old one stays.
    """
    try:
        source = after_closing.enter_context(file.path.open("rb"))
        modified = os.fstat(source.fileno()).st_mtime_ns
        with file.unfinished_snapshot.open("wb") as copy:
            _copy(source, copy)
            copy.flush()
            os.utime(copy.fileno(), ns=(modified, modified))
            os.fsync(copy.fileno())
        file.unfinished_snapshot.replace(file.snapshot)
        _sync_folder(file.path.parent)
    except OSError as error:
        raise WarehouseUnavailable(
            f"batches are in {file.path}, but readers' copy {file.snapshot} can't be written: {error.strerror}; "
            "the next run writes it"
        ) from error


def _copy(source: BinaryIO, target: BinaryIO) -> None:
    """Copy inside the kernel where it can; file systems that share blocks then copy nothing at all."""
    if sys.platform == "linux":
        size = os.fstat(source.fileno()).st_size
        try:
            while (copied := target.seek(0, os.SEEK_END)) < size:
                if not os.copy_file_range(source.fileno(), target.fileno(), size - copied, copied, copied):
                    break
        except OSError as error:
            if error.errno not in _NO_KERNEL_COPY:
                raise
        else:
            return
    source.seek(0)
    target.seek(0)
    shutil.copyfileobj(source, target, 1 << 20)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
