"""Finding a program that Go builds, and building it once."""

import threading
from pathlib import Path

import pytest

from stockpipe.common.errors import ConfigError, Unavailable
from stockpipe.standalone.go_programs import HELM_3, HELM_4, MINIO, PROMTOOL

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
    assert MINIO.find() is None
    program = install(machine, "minio", "#!/bin/sh\n")
    install(machine, "go", GO.format(result=MAKES_IT))
    assert MINIO.find() == MINIO.build() == program
    assert not (machine / "cache").exists()


def test_several_processes_at_once_build_it_once(machine: Path) -> None:
    install(machine, "go", GO.format(result=MAKES_IT))
    builders = [threading.Thread(target=MINIO.build) for _ in range(4)]
    for builder in builders:
        builder.start()
    for builder in builders:
        builder.join()
    built = machine / "cache/stockpipe" / f"minio-{MINIO.version}" / "minio"
    assert MINIO.find() == MINIO.build() == built
    assert built.read_text() == "server\n"
    calls = (machine / "bin/calls").read_text().splitlines()
    assert calls == [f"install github.com/minio/minio@{MINIO.version}", "CGO_ENABLED=0"]
    assert sorted(path.name for path in built.parent.iterdir()) == ["lock", "minio"]


def test_build_tags_are_given_to_go(machine: Path) -> None:
    install(machine, "go", GO.format(result='echo tool > "$GOBIN/promtool"'))
    PROMTOOL.build()
    install_call = (machine / "bin/calls").read_text().splitlines()[0]
    assert install_call == f"install -tags remove_all_sd {PROMTOOL.package}@{PROMTOOL.version}"


def test_a_build_that_fails_leaves_nothing_and_says_why(machine: Path) -> None:
    install(machine, "go", GO.format(result='echo half > "$GOBIN/minio"; echo "no space left"; exit 1'))
    with pytest.raises(Unavailable, match=r"go install .* failed: no space left"):
        MINIO.build()
    assert MINIO.find() is None


@pytest.mark.usefixtures("machine")
def test_without_minio_and_go_the_remedy_is_named() -> None:
    with pytest.raises(ConfigError, match="neither minio nor go is on the PATH; install one of them"):
        MINIO.build()


def test_a_helm_on_the_path_counts_for_its_own_major_version(machine: Path) -> None:
    program = install(machine, "helm", "#!/bin/sh\necho v4.9.1+gabcdef\n")
    assert HELM_4.find() == program
    assert HELM_3.find() is None
