"""The lake's settings: which store they mean, and what is refused."""

import sys
from pathlib import Path
from typing import Any

import pytest

from stockpipe.common.cli import Command, run_program
from stockpipe.common.errors import ConfigError
from stockpipe.common.lake.open import open_lake
from stockpipe.common.lake.s3_bucket import Bucket
from stockpipe.common.settings import LakeSettings

KEYS: dict[str, Any] = {"minio_access_key": "reader", "minio_secret_key": "hush-hush"}


@pytest.mark.parametrize("url", ["lake", "file://lake", "file:///", "ftp://x/y", "", "s3:bucket"])
def test_a_wrong_url_is_named(url: str) -> None:
    with pytest.raises(ConfigError, match="LAKE_URL"):
        open_lake(LakeSettings(lake_url=url, **KEYS))


@pytest.mark.parametrize(
    ("endpoint", "host", "secure"),
    [
        ("minio:9000", "minio:9000", False),
        ("http://minio:9000/", "minio:9000", False),
        ("https://minio.example.com", "minio.example.com", True),
        ("http://[::1]:9000", "[::1]:9000", False),
        (None, "s3.amazonaws.com", True),
    ],
)
def test_an_endpoint_is_read_with_and_without_scheme(endpoint: str | None, host: str, secure: bool) -> None:
    bucket = Bucket.of(LakeSettings(lake_url="s3://stock-market-data", minio_endpoint=endpoint, **KEYS))
    assert (bucket.name, bucket.endpoint, bucket.secure) == ("stock-market-data", host, secure)
    assert bucket.on_aws == (endpoint is None)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lake_url": "s3://stock-market-data/raw"}, "LAKE_URL 's3://stock-market-data/raw' must be s3://bucket"),
        ({"lake_url": "s3://Stock_Market"}, "a bucket's name has 3 to 63 of a-z 0-9"),
        ({"minio_endpoint": "ftp://minio"}, "MINIO_ENDPOINT 'ftp://minio' must be"),
        ({"minio_endpoint": "minio:port"}, "MINIO_ENDPOINT 'minio:port' must be"),
        ({"minio_endpoint": "http://me:hush@minio:9000"}, "MINIO_ENDPOINT may hold no user and no password"),
        ({"minio_endpoint": "minio:9000/path"}, "MINIO_ENDPOINT 'minio:9000/path' must be"),
        ({"minio_secret_key": None}, "needs MINIO_ACCESS_KEY and MINIO_SECRET_KEY"),
        ({"minio_endpoint": "minio:9000", "minio_ca_file": "ca.pem"}, "MINIO_CA_FILE is given, but MINIO_ENDPOINT"),
        (
            {"minio_endpoint": "https://minio", "minio_ca_file": "no.pem"},
            "MINIO_CA_FILE 'no.pem' gives no certificate: No such file",
        ),
        ({"minio_endpoint": "https://minio", "minio_ca_file": __file__}, "gives no certificate: [X509"),
    ],
)
def test_a_setting_of_a_wrong_form_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        Bucket.of(LakeSettings(**({"lake_url": "s3://stock-market-data"} | KEYS | changes)))
    assert message in str(error.value)
    assert "hush" not in str(error.value)


def run(capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    def show(settings: LakeSettings) -> int:
        bucket = Bucket.of(settings)
        sys.stdout.write(f"{bucket.name} {bucket.access_key} {bucket.secret_key.get_secret_value()}\n")
        return 0

    with pytest.raises(SystemExit) as exit_:
        run_program("show", {"": Command(LakeSettings, show)}, [])
    printed = capsys.readouterr()
    return int(exit_.value.code or 0), printed.out + printed.err


def test_the_bucket_and_secrets_from_files_make_a_lake(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("access", "secret"):
        (tmp_path / name).write_text(f"{name} of a file\n")
        monkeypatch.setenv(f"MINIO_{name.upper()}_KEY_FILE", str(tmp_path / name))
    monkeypatch.setenv("MINIO_BUCKET", "stock-market-data")
    assert run(capsys) == (0, "stock-market-data access of a file secret of a file\n")


def test_a_bucket_that_is_not_the_lake_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAKE_URL", "file:///lake")
    monkeypatch.setenv("MINIO_BUCKET", "stock-market-data")
    monkeypatch.setenv("MINIO_SECRET_KEY", "hush-hush")
    code, said = run(capsys)
    assert code == 2
    assert "MINIO_BUCKET 'stock-market-data' contradicts LAKE_URL 'file:///lake'; unset one of them" in said
    assert "hush" not in said


def test_without_a_bucket_the_url_is_required(capsys: pytest.CaptureFixture[str]) -> None:
    code, said = run(capsys)
    assert (code, said) == (2, "show: error: LAKE_URL (--lake-url) is required: set the variable or the flag\n")
