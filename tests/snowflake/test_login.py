"""Logging in: what is needed, what is refused before anything is sent, and how long a dead server is waited for."""

import socket
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import ValidationError

from stockpipe.common.errors import ConfigError, Unavailable
from stockpipe.common.settings import WarehouseSettings
from stockpipe.common.warehouse.reader import open_reader
from stockpipe.common.warehouse.snowflake_login import log_in

PASSPHRASE = "correct horse"


def settings(**values: object) -> WarehouseSettings:
    given = {"warehouse_url": "snowflake://", "snowflake_account": "a", "snowflake_user": "u", **values}
    return WarehouseSettings.model_validate(given)


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def write_key(key: rsa.RSAPrivateKey, path: Path, passphrase: str | None) -> Path:
    encryption: serialization.KeySerializationEncryption = (
        serialization.BestAvailableEncryption(passphrase.encode()) if passphrase else serialization.NoEncryption()
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    path.write_bytes(pem)
    return path


def test_everything_missing_is_named_in_one_line() -> None:
    expected = (
        r"^WAREHOUSE_URL=snowflake:// needs SNOWFLAKE_ACCOUNT, SNOWFLAKE_USER, "
        r"SNOWFLAKE_PRIVATE_KEY_FILE \(or SNOWFLAKE_PASSWORD\)$"
    )
    with pytest.raises(ConfigError, match=expected):
        log_in(WarehouseSettings(warehouse_url="snowflake://"), "test")


def test_a_key_and_a_password_are_one_too_many() -> None:
    with pytest.raises(ConfigError, match="give either SNOWFLAKE_PRIVATE_KEY_FILE or SNOWFLAKE_PASSWORD, not both"):
        log_in(settings(snowflake_password="p", snowflake_private_key_file="/k"), "test")


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "ftp://h", "https://", "https://u:secret@h", "https://h/path"])
def test_a_host_that_is_no_plain_url_is_refused(host: str) -> None:
    with pytest.raises(ConfigError, match=r"SNOWFLAKE_HOST must be https://host") as raised:
        log_in(settings(snowflake_password="p", snowflake_host=host), "test")
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("name", ["snowflake_schema", "snowflake_database"])
def test_a_name_that_would_be_sql_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="should match pattern"):
        settings(**{name: "PUBLIC; DROP"})


@pytest.mark.parametrize("passphrase", [None, PASSPHRASE])
def test_a_key_logs_in(snowflake_server: str, key: rsa.RSAPrivateKey, tmp_path: Path, passphrase: str | None) -> None:
    path = write_key(key, tmp_path / "key.p8", passphrase)
    given = settings(
        snowflake_host=snowflake_server, snowflake_private_key_file=path, snowflake_private_key_passphrase=passphrase
    )
    with open_reader(given) as reader:
        assert reader.query("SELECT 1 AS one").to_pylist() == [{"one": 1}]


@pytest.mark.parametrize("given", [None, "wrong horse"])
def test_an_encrypted_key_without_its_passphrase_is_named(
    snowflake_server: str, key: rsa.RSAPrivateKey, tmp_path: Path, given: str | None
) -> None:
    path = write_key(key, tmp_path / "key.p8", PASSPHRASE)
    values = settings(
        snowflake_host=snowflake_server, snowflake_private_key_file=path, snowflake_private_key_passphrase=given
    )
    with pytest.raises(ConfigError, match=r"SNOWFLAKE_PRIVATE_KEY_FILE='.*key\.p8' can't be read") as raised:
        log_in(values, "test")
    assert "horse" not in str(raised.value)


@pytest.mark.parametrize("content", [None, "no key"])
def test_a_file_that_is_no_key_is_named(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "key.p8"
    if content:
        path.write_text(content)
    with pytest.raises(ConfigError, match=r"SNOWFLAKE_PRIVATE_KEY_FILE='.*key\.p8' can't be read"):
        log_in(settings(snowflake_private_key_file=path, snowflake_host="http://127.0.0.1:1"), "test")


def test_a_server_that_is_not_there_is_given_up() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        host = f"http://127.0.0.1:{free.getsockname()[1]}"
        values = settings(snowflake_password="hush", snowflake_host=host, snowflake_login_seconds=1)
        with pytest.raises(Unavailable, match="can't be reached: check SNOWFLAKE_ACCOUNT, SNOWFLAKE_HOST") as raised:
            log_in(values, "test")
    assert "hush" not in str(raised.value)
