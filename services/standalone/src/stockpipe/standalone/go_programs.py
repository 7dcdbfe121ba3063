"""Programs that are published as Go modules: the machine's, or ones built once by Go into the user's cache.

Go checks the modules' sums.
"""

import fcntl
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from stockpipe.common.errors import ConfigError, Unavailable


@dataclass(frozen=True)
class GoProgram:
    """A program, the package that makes it, and about how long Go needs on 2 cores.

    `major_of` are the arguments after which a program on the PATH tells its version; it is taken if the major version
    is the wanted one. Without them any is. `tags` are Go's build tags.
    """

    name: str
    package: str
    version: str
    minutes: int
    major_of: tuple[str, ...] = ()
    tags: str = ""

    def find(self) -> Path | None:
        """Return the program on the PATH, or the one that `build` made; None if there is neither."""
        if (on_path := shutil.which(self.name)) and self._is_wanted(on_path):
            return Path(on_path)
        return self._built if self._built.is_file() else None

    def build(self) -> Path:
        """Return the program, built first if there is none.

        Raises:
            ConfigError: there is none, and no Go to build it.
            Unavailable: Go can't build it.
        """
        if found := self.find():
            return found
        go = shutil.which("go")
        if go is None:
            raise ConfigError(f"neither {self.name} nor go is on the PATH; install one of them")
        folder = self._built.parent
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            # another process may have built it while this one waited
            if not self._built.is_file():
                print(f"   building {self.package} by Go, once, about {self.minutes} minutes", flush=True)
                with tempfile.TemporaryDirectory(dir=folder) as scratch:
                    self._install(go, Path(scratch))
                    (Path(scratch) / self.name).replace(self._built)
        return self._built

    @property
    def _built(self) -> Path:
        cache = os.environ.get("XDG_CACHE_HOME")
        folder = (Path(cache) if cache else Path.home() / ".cache") / "stockpipe"
        return folder / f"{self.name}-{self.version}" / self.name

    def _is_wanted(self, program: str) -> bool:
        if not self.major_of:
            return True
        told = subprocess.run([program, *self.major_of], capture_output=True, text=True, check=False).stdout
        return told.startswith(self.version.split(".")[0] + ".")

    def _install(self, go: str, folder: Path) -> None:
        done = subprocess.run(
            [go, "install", *(("-tags", self.tags) if self.tags else ()), f"{self.package}@{self.version}"],
            env={**os.environ, "CGO_ENABLED": "0", "GOBIN": str(folder)},
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            tail = " | ".join(done.stdout.strip().splitlines()[-3:])
            raise Unavailable(f"go install {self.package}@{self.version} failed: {tail}")


MINIO = GoProgram("minio", "github.com/minio/minio", "v0.0.0-20260212201848-7aac2a2c5b7c", minutes=4)
"""MinIO publishes no more binaries, only the source."""

HELM_3 = GoProgram("helm", "helm.sh/helm/v3/cmd/helm", "v3.21.4", minutes=3, major_of=("version", "--short"))
HELM_4 = GoProgram("helm", "helm.sh/helm/v4/cmd/helm", "v4.2.4", minutes=3, major_of=("version", "--short"))

_PROMETHEUS = "github.com/prometheus/prometheus/cmd"
# without the clients of two dozen clouds, which nobody here discovers targets by
PROMTOOL = GoProgram("promtool", f"{_PROMETHEUS}/promtool", "v0.316.0", minutes=5, tags="remove_all_sd")
PROMETHEUS = GoProgram("prometheus", f"{_PROMETHEUS}/prometheus", "v0.316.0", minutes=3, tags="remove_all_sd")
"""Prometheus 3.16."""

ALERTMANAGER = GoProgram("alertmanager", "github.com/prometheus/alertmanager/cmd/alertmanager", "v0.31.1", minutes=1)
"""The last version whose module holds its built pages, without which Go can't build it."""
