"""Which Java runs the broker and Spark: the machine's, or one fetched into the project's folder."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from stockpipe.common.errors import ConfigError
from stockpipe.standalone.paths import JDK

OLDEST = 17
_INSTALL = "install one, e.g. `apt-get install openjdk-17-jre-headless` or `brew install openjdk@17`"


def find_java() -> Path:
    """Return a Java home of version 17 or newer: JAVA_HOME, then PATH, then a download by jgo's JDK support.

    Raises:
        ConfigError: there is none and none can be fetched.
    """
    seen = []
    for program in _candidates():
        version = java_version(program)
        if version is not None and version >= OLDEST:
            return program.resolve().parent.parent
        seen.append(f"{program} is version {version}")
    try:
        import cjdk

        return Path(cjdk.java_home(vendor="temurin", version=str(OLDEST), cache_dir=JDK))
    except Exception as error:
        found = "; ".join(seen) or "none found in JAVA_HOME or PATH"
        raise ConfigError(
            f"Java {OLDEST} or newer is needed ({found}; fetching one failed: {type(error).__name__}); {_INSTALL}"
        ) from error


def java_version(program: Path) -> int | None:
    """Return the major version that `program -version` prints, None if it isn't a Java."""
    try:
        done = subprocess.run([program, "-version"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r'version "(\d+)', done.stderr)
    return int(match[1]) if match else None


def _candidates() -> list[Path]:
    found = []
    if home := os.environ.get("JAVA_HOME"):
        found.append(Path(home, "bin", "java"))
    if on_path := shutil.which("java"):
        found.append(Path(on_path))
    return found
