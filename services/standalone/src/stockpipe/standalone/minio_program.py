"""Which program is the MinIO server: the machine's, or one built once by Go into the user's cache.

MinIO publishes no more binaries, only the source as a Go module, whose sum Go checks.
"""

import fcntl
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from stockpipe.common.errors import ConfigError, Unavailable

VERSION = "v0.0.0-20260212201848-7aac2a2c5b7c"
_MODULE = "github.com/minio/minio"


def find_minio() -> Path | None:
    """Return the server on the PATH, or the one that `build_minio` made; None if there is neither."""
    if on_path := shutil.which("minio"):
        return Path(on_path)
    built = _folder() / "minio"
    return built if built.is_file() else None


def build_minio() -> Path:
    """Return the server's program, built first if there is none: about 4 minutes on 2 cores, 150 MB.

    Raises:
        ConfigError: there is none, and no Go to build it.
        Unavailable: Go can't build it.
    """
    if found := find_minio():
        return found
    go = shutil.which("go")
    if go is None:
        raise ConfigError("neither minio nor go is on the PATH; install one of them")
    folder = _folder()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # another process may have built it while this one waited
        if found := find_minio():
            return found
        print(f"   building {_MODULE} by Go, once, about 4 minutes", flush=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            _build(go, Path(scratch))
            (Path(scratch) / "minio").replace(folder / "minio")
    return folder / "minio"


def _build(go: str, folder: Path) -> None:
    done = subprocess.run(
        [go, "install", f"{_MODULE}@{VERSION}"],
        env={**os.environ, "CGO_ENABLED": "0", "GOBIN": str(folder)},
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        tail = " | ".join(done.stdout.strip().splitlines()[-3:])
        raise Unavailable(f"go install {_MODULE}@{VERSION} failed: {tail}")


def _folder() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "stockpipe" / f"minio-{VERSION}"
