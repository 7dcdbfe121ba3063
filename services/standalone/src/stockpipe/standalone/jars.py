"""Java archives by jgo, checked against the committed sha256 sums.

jgo writes a lock file with a sum for every jar but doesn't enforce it: an altered jar passes and the lock is
written anew. So the sums are checked here, each time.
"""

import hashlib
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from stockpipe.common.errors import ConfigError, Unavailable

LOCK = "jgo.lock.toml"
# jgo doesn't interpolate this property in one of the AWS SDK's POMs
_PROPERTIES = ["-D", "project.parent.version=2.29.52"]


def fetch_jars(spec: Path, folder: Path) -> int:
    """Put the jars that `spec/jgo.lock.toml` lists into `folder`; return how many were already there.

    Raises:
        Unavailable: jgo can't resolve or download them.
        ConfigError: a jar differs from its locked sum.
    """
    expected = locked_sums(spec / LOCK)
    present = len(expected) - len(_missing(folder, expected))
    if present < len(expected):
        _resolve(spec, folder)
    if missing := _missing(folder, expected):
        raise ConfigError(
            f"{len(missing)} jars in {folder} are missing or differ from {spec / LOCK}: {missing[0]}, ..."
        )
    if unknown := sorted(set(_jars(folder)) - set(expected)):
        raise ConfigError(f"{folder} holds {unknown[0]}, which {spec / LOCK} doesn't list; remove the folder")
    return present


def lock_jars(spec: Path, folder: Path) -> None:
    """Resolve `spec/jgo.toml` anew and write its lock.

    Raises:
        Unavailable: jgo can't resolve or download.
    """
    shutil.rmtree(folder, ignore_errors=True)
    _resolve(spec, folder)
    text = (folder / LOCK).read_text()
    kept = [line for line in text.splitlines() if not line.startswith("generated = ")]
    (spec / LOCK).write_text("\n".join(kept) + "\n")


def class_path(folder: Path) -> str:
    """Return a Java class path of all jars in `folder`."""
    return ":".join(f"{folder / place}/*" for place in ("jars", "modules") if (folder / place).is_dir())


def locked_sums(lock: Path) -> dict[str, str]:
    """Return jar file name to sha256 of a jgo lock file."""
    entries = tomllib.loads(lock.read_text())["dependencies"]
    return {f"{entry['artifactId']}-{entry['version']}.jar": entry["sha256"] for entry in entries}


def _jars(folder: Path) -> dict[str, Path]:
    return {path.name: path for place in ("jars", "modules") for path in sorted((folder / place).glob("*.jar"))}


def _missing(folder: Path, expected: dict[str, str]) -> list[str]:
    found = _jars(folder)
    return [
        name
        for name, digest in expected.items()
        if name not in found or hashlib.sha256(found[name].read_bytes()).hexdigest() != digest
    ]


def _resolve(spec: Path, folder: Path) -> None:
    # The folder gets jgo's flat layout only if jgo runs where its jgo.toml lies.
    command = [sys.executable, "-m", "jgo", "--cache-dir", str(folder), *_PROPERTIES, "sync"]
    done = subprocess.run(command, cwd=spec, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode or not (folder / LOCK).is_file():
        tail = " | ".join(done.stdout.strip().splitlines()[-3:])
        raise Unavailable(f"jgo can't fetch the jars of {spec / 'jgo.toml'}: {tail}; check the network, then try again")
