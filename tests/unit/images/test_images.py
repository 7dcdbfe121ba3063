"""Images, Makefile, skaffold and charts speak of the same things."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SERVICES = ("producer", "consumer", "loader", "auditor", "api")
DOCKERFILES = {name: ROOT / f"services/{name}/Dockerfile" for name in SERVICES} | {
    "spark": ROOT / "spark-apps/Dockerfile"
}
VERSION = "0.1.0"


def described(name: str) -> str:
    found = re.search(r'^description = "(.*)"$', (ROOT / f"services/{name}/pyproject.toml").read_text(), re.MULTILINE)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("name", SERVICES)
def test_services_are_built_alike(name: str) -> None:
    text = DOCKERFILES[name].read_text()
    assert f'description="{described(name)}"' in text
    pattern = DOCKERFILES["producer"].read_text().replace(described("producer"), described(name))
    assert text == pattern.replace("producer", name)


@pytest.mark.parametrize("name", DOCKERFILES)
def test_what_an_image_copies_is_in_the_build_context(name: str) -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    kept = [line[1:].rstrip("/") for line in ignored if line.startswith("!")]
    for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILES[name].read_text(), re.MULTILINE):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists(), source
            assert any(
                Path(source).match(each) or each.startswith(f"{source}/") or _below(source, each) for each in kept
            ), f"{source} is left out by .dockerignore"


def _below(source: str, kept: str) -> bool:
    parts = Path(source).parts
    wanted = Path(kept).parts
    return all(Path(part).match(pattern) for part, pattern in zip(parts, wanted, strict=False))


@pytest.mark.parametrize("name", DOCKERFILES)
def test_an_image_runs_as_a_number_and_leaves_no_installer(name: str) -> None:
    last = DOCKERFILES[name].read_text().rsplit("\nFROM python:", 1)[1]
    assert "AS runtime" in last
    assert re.search(r"^USER (\d+):\1$", last, re.MULTILINE)
    assert "rm -rf" in last
    assert "/usr/local/bin/pip*" in last
    assert "apt-get install" not in last or "--no-install-recommends" in last


def test_everything_is_installed_by_hash() -> None:
    for path in DOCKERFILES.values():
        text = path.read_text().replace("\\\n", " ")
        for line in re.findall(r"pip (?:--python \S+ )?(?:install|wheel) [^&\n]*", text):
            assert "--require-hashes" in line or "--no-index" in line or re.search(r"services/common", line), line


@pytest.mark.parametrize("name", DOCKERFILES)
def test_a_lock_has_what_the_packages_in_its_image_declare(name: str) -> None:
    locked = {line.partition("==")[0].lower() for line in (ROOT / f"requirements/{name}.lock").read_text().splitlines()}
    for project in (ROOT / "services/common", DOCKERFILES[name].parent):
        declared = tomllib.loads((project / "pyproject.toml").read_text())["project"]["dependencies"]
        names = {re.split(r"[<>=!~\[; ]", each)[0].lower() for each in declared} - {"stockpipe-common"}
        assert names <= locked, f"{project.name} needs {sorted(names - locked)}: add it to requirements/{name}.in"


def test_makefile_and_skaffold_build_the_same_images() -> None:
    made = re.search(r"^IMAGES := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert made is not None
    skaffold = (ROOT / "skaffold.yaml").read_text()
    artifacts = re.findall(r"- image: stockpipe/(\w+)", skaffold)
    assert made[1].split() == list(DOCKERFILES) == artifacts[: len(DOCKERFILES)] == artifacts[len(DOCKERFILES) :]
    pipeline = skaffold.split("- name: stock-pipeline")[1].split("portForward:")[0]
    assert re.findall(r"images\.(\w+): ", pipeline) == artifacts[: len(DOCKERFILES)]


def test_versions_agree() -> None:
    for path in (*ROOT.glob("services/*/pyproject.toml"), ROOT / "spark-apps/pyproject.toml"):
        assert f'version = "{VERSION}"' in path.read_text(), path
    for path in ROOT.glob("charts/*/Chart.yaml"):
        assert re.search(rf'^appVersion: "?{re.escape(VERSION)}"?$', path.read_text(), re.MULTILINE), path


def test_skaffold_and_the_script_install_the_same_operators() -> None:
    skaffold = (ROOT / "skaffold.yaml").read_text()
    releases = re.findall(
        r"- name: (\S+)\n +remoteChart: (\S+)\n(?: +repo: (\S+)\n)? +version: (\S+)\n +namespace: (\S+)", skaffold
    )
    script = re.findall(
        r"^operator (\S+) (\S+) (\S+) (\S+)(?: (\S+))?$", (ROOT / "k8s/operators.sh").read_text(), re.MULTILINE
    )
    scripted = {(name, chart, repository, version, namespace) for name, namespace, version, chart, repository in script}
    assert len(releases) == 3
    assert set(releases) <= scripted
    assert all((ROOT / f"k8s/operators/{name}.yaml").is_file() for name, *_rest in script)


@pytest.mark.parametrize("script", ["k8s/install.sh", "k8s/operators.sh", "k8s/reload.sh", "spark-apps/entrypoint.sh"])
def test_scripts_are_valid_shell(script: str) -> None:
    shell = "bash" if "bash" in (ROOT / script).read_text().splitlines()[0] else "sh"
    subprocess.run([shell, "-n", str(ROOT / script)], check=True)
