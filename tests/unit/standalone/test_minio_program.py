"""Finding the MinIO server, and building it once."""

import threading
from pathlib import Path

import pytest

from stockpipe.common.errors import ConfigError, Unavailable
from stockpipe.standalone.minio_program import VERSION, build_minio, find_minio

GO = """\
#!/bin/sh
echo "$@" >> "${{0%/*}}/calls"
echo "CGO_ENABLED=$CGO_ENABLED" >> "${{0%/*}}/calls"
{result}
"""
MAKES_IT = 'echo server > "$GOBIN/minio"'


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of which the folder `bin` is the PATH, and `cache` the cache."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def install(machine: Path, name: str, text: str) -> Path:
    path = machine / "bin" / name
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_a_server_on_the_path_is_taken(machine: Path) -> None:
    assert find_minio() is None
    program = install(machine, "minio", "#!/bin/sh\n")
    install(machine, "go", GO.format(result=MAKES_IT))
    assert find_minio() == build_minio() == program
    assert not (machine / "cache").exists()


def test_several_processes_at_once_build_it_once(machine: Path) -> None:
    install(machine, "go", GO.format(result=MAKES_IT))
    builders = [threading.Thread(target=build_minio) for _ in range(4)]
    for builder in builders:
        builder.start()
    for builder in builders:
        builder.join()
    built = machine / "cache/stockpipe" / f"minio-{VERSION}" / "minio"
    assert find_minio() == build_minio() == built
    assert built.read_text() == "server\n"
    calls = (machine / "bin/calls").read_text().splitlines()
    assert calls == [f"install github.com/minio/minio@{VERSION}", "CGO_ENABLED=0"]
    assert sorted(path.name for path in built.parent.iterdir()) == ["lock", "minio"]


def test_a_build_that_fails_leaves_nothing_and_says_why(machine: Path) -> None:
    install(machine, "go", GO.format(result='echo half > "$GOBIN/minio"; echo "no space left"; exit 1'))
    with pytest.raises(Unavailable, match=r"go install .* failed: no space left"):
        build_minio()
    assert find_minio() is None


@pytest.mark.usefixtures("machine")
def test_without_minio_and_go_the_remedy_is_named() -> None:
    with pytest.raises(ConfigError, match="neither minio nor go is on the PATH; install one of them"):
        build_minio()
