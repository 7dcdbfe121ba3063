import hashlib
from pathlib import Path

import pytest

from stockpipe.common.errors import ConfigError, Unavailable
from stockpipe.standalone import jars, paths
from stockpipe.standalone.jars import fetch_jars, locked_sums


def lock(folder: Path, **sums: str) -> None:
    entries = [
        f'[[dependencies]]\ngroupId = "g"\nartifactId = "{name}"\nversion = "1"\nsha256 = "{digest}"\n'
        for name, digest in sums.items()
    ]
    (folder / "jgo.lock.toml").write_text("\n".join(entries))


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    folder = tmp_path / "spec"
    folder.mkdir()
    return folder


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "jars"
    (folder / "jars").mkdir(parents=True)
    (folder / "modules").mkdir()

    def no_network(_spec: Path, _folder: Path) -> None:
        raise Unavailable("jgo was called")

    monkeypatch.setattr(jars, "_resolve", no_network)
    return folder


def test_jars_that_are_there_are_not_fetched_again(spec: Path, cache: Path) -> None:
    lock(spec, a=sha256(b"A"), b=sha256(b"B"))
    (cache / "jars/a-1.jar").write_bytes(b"A")
    (cache / "modules/b-1.jar").write_bytes(b"B")
    assert fetch_jars(spec, cache) == 2


def test_a_missing_jar_is_fetched(spec: Path, cache: Path) -> None:
    lock(spec, a=sha256(b"A"))
    with pytest.raises(Unavailable, match="jgo was called"):
        fetch_jars(spec, cache)


def test_an_altered_jar_is_refused(spec: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock(spec, a=sha256(b"A"))
    (cache / "jars/a-1.jar").write_bytes(b"evil")
    monkeypatch.setattr(jars, "_resolve", lambda _spec, _folder: None)
    with pytest.raises(ConfigError, match=r"missing or differ .*: a-1\.jar"):
        fetch_jars(spec, cache)


def test_a_jar_that_the_lock_does_not_list_is_refused(spec: Path, cache: Path) -> None:
    lock(spec, a=sha256(b"A"))
    (cache / "jars/a-1.jar").write_bytes(b"A")
    (cache / "jars/other-1.jar").write_bytes(b"B")
    with pytest.raises(ConfigError, match=r"holds other-1\.jar, which"):
        fetch_jars(spec, cache)


@pytest.mark.parametrize("folder", [paths.KAFKA_SPEC, paths.SPARK_SPEC], ids=["kafka", "spark"])
def test_the_committed_locks_have_a_sum_for_every_jar_and_no_address(folder: Path) -> None:
    sums = locked_sums(folder / "jgo.lock.toml")
    assert len(sums) > 30
    assert all(len(digest) == 64 for digest in sums.values())
    assert "://" not in (folder / "jgo.lock.toml").read_text()
