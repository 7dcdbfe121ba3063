import sys
from pathlib import Path

import pytest
from pydantic import Field, SecretStr

from stockpipe.api.settings import CreateKeySettings, ListKeysSettings, RevokeKeySettings, ServeSettings
from stockpipe.auditor.settings import AuditWatchSettings, BooksSettings, MaintainSettings, TraceSettings
from stockpipe.common.cli import Command, _refuse_misspelt_variables, print_summary, run_program, write_xcom
from stockpipe.common.errors import ConfigError, DataRefused
from stockpipe.common.settings import CommaSeparated, KafkaSettings, ServiceSettings, SummarySettings
from stockpipe.consumer.settings import ConsumerSettings, RedriveSettings
from stockpipe.loader.settings import CheckConnectionSettings, LoadSettings, MigrateSettings, WatchSettings
from stockpipe.producer.settings import BatchSettings, CheckSettings, GapsSettings, RealtimeSettings
from stockpipe.spark.settings import DailySettings, StreamBatchSettings, StreamSettings
from stockpipe.standalone.settings import DemoSettings, UpSettings

ALL_SETTINGS: list[type[ServiceSettings]] = [
    AuditWatchSettings,
    BatchSettings,
    BooksSettings,
    CheckConnectionSettings,
    CheckSettings,
    ConsumerSettings,
    CreateKeySettings,
    DailySettings,
    DemoSettings,
    GapsSettings,
    ListKeysSettings,
    LoadSettings,
    MaintainSettings,
    MigrateSettings,
    RealtimeSettings,
    RedriveSettings,
    RevokeKeySettings,
    ServeSettings,
    StreamBatchSettings,
    StreamSettings,
    TraceSettings,
    UpSettings,
    WatchSettings,
]


class Example(ServiceSettings):
    """Do a thing.

    And another.
    """

    flush_seconds: float = Field(10.0, gt=0, description="Seconds to wait")
    symbols: CommaSeparated = Field((), description="Tickers")
    password: SecretStr | None = Field(None, description="Secret")
    folder_name: str = Field(description="Name")


def run(*arguments: str, command: str = "") -> tuple[int, list[Example]]:
    seen: list[Example] = []

    def collect(settings: Example) -> int:
        seen.append(settings)
        return 0

    with pytest.raises(SystemExit) as caught:
        run_program("program", {command: Command(Example, collect)}, list(arguments))
    assert isinstance(caught.value.code, int)
    return caught.value.code, seen


def test_flags_beat_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLUSH_SECONDS", "3")
    monkeypatch.setenv("FOLDER_NAME", "x")
    monkeypatch.setenv("SYMBOLS", "A, B,")
    assert run()[1][0].flush_seconds == 3
    code, (settings,) = run("--flush-seconds", "4", "--folder-name", "y")
    assert (code, settings.flush_seconds, settings.folder_name, settings.symbols) == (0, 4, "y", ("A", "B"))


def test_a_secret_comes_from_a_file_and_is_never_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hunter2\n")
    monkeypatch.setenv("PASSWORD_FILE", str(tmp_path / "secret"))
    _code, (settings,) = run("--folder-name", "x")
    assert settings.password is not None
    assert settings.password.get_secret_value() == "hunter2"
    assert "hunter2" not in repr(settings)


def test_a_secret_file_that_is_missing_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PASSWORD_FILE", "/no/such/file")
    assert run("--folder-name", "x")[0] == 2
    assert "PASSWORD_FILE='/no/such/file' can't be read: No such file or directory" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "FOLDER_NAME (--folder-name) is required"),
        (
            ["--folder-name", "x", "--flush-seconds", "abc"],
            "FLUSH_SECONDS (--flush-seconds)='abc': input should be a valid",
        ),
        (
            ["--folder-name", "x", "--flush-seconds", "0"],
            "FLUSH_SECONDS (--flush-seconds)='0': input should be greater",
        ),
        (["--folder", "x"], "unrecognized arguments: --folder x"),
        (["other"], "unknown command 'other'"),
    ],
)
def test_a_wrong_setting_is_one_line_and_exit_code_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments)[0] == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("program")
    assert message in last


@pytest.mark.parametrize("arguments", [("--symbols", ""), ("--symbols=",), ("--symbols", "", "--folder-name", "x")])
def test_an_empty_value_is_not_taken_for_the_default(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments)[0] == ConfigError.exit_code
    assert capsys.readouterr().err == (
        "program: error: --symbols has an empty value; give one, or leave the flag out\n"
    )


def test_a_misspelt_variable_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FLUSH_SECOND", "3")
    assert run("--folder-name", "x")[0] == 2
    assert "unknown setting FLUSH_SECOND, did you mean FLUSH_SECONDS?" in capsys.readouterr().err


def test_no_setting_of_one_command_is_a_misspelling_for_another() -> None:
    names = {name.upper() for settings in ALL_SETTINGS for name in settings.model_fields}
    environment = dict.fromkeys([*names, "KAFKA_PORT", "KAFKA_HEAP_OPTS", "MINIO_SERVICE_HOST", "PATH"], "x")
    for settings in ALL_SETTINGS:
        _refuse_misspelt_variables(settings, environment)
    with pytest.raises(ConfigError, match="KAFKA_BOOTSTRAP_SERVERS, did you mean KAFKA_BOOTSTRAP_SERVER"):
        _refuse_misspelt_variables(KafkaSettings, {"KAFKA_BOOTSTRAP_SERVERS": "x"})


@pytest.mark.parametrize("settings", ALL_SETTINGS, ids=lambda settings: settings.__name__)
def test_every_flag_tells_its_meaning_default_and_variable(
    settings: type[ServiceSettings], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        run_program("program", {"": Command(settings, lambda _settings: 0)}, ["--help"])
    assert caught.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    assert (settings.__doc__ or "").strip().splitlines()[0] in text
    for name, field in settings.model_fields.items():
        assert field.description, name
        assert " ".join(field.description.split()) in text.replace("- ", "-"), name
        assert f"--{name.replace('_', '-')}" in text or field.validation_alias, name
    for private in ("None", "tuple[", "SecretStr", "()"):
        assert private not in text


def test_errors_end_with_their_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(_settings: Example) -> int:
        raise DataRefused("the input is bad")

    def interrupt(_settings: Example) -> int:
        raise KeyboardInterrupt

    for action, code in ((refuse, 4), (interrupt, 130)):
        with pytest.raises(SystemExit) as caught:
            run_program("program", {"": Command(Example, action)}, ["--folder-name", "x"])
        assert caught.value.code == code
    assert capsys.readouterr().err == "program: error: the input is bad\n"


def test_without_a_command_the_commands_are_listed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["program"])
    with pytest.raises(SystemExit) as caught:
        run_program("program", {"go": Command(Example, lambda _settings: 0)})
    assert caught.value.code == 2
    assert "go  Do a thing." in capsys.readouterr().out


def test_a_summary_goes_to_the_file_that_airflow_reads_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    print_summary(SummarySettings(xcom_path=str(tmp_path / "return.json")), {"records": 3})
    assert (tmp_path / "return.json").read_text() + "\n" == capsys.readouterr().out == '{"records":3}\n'
    with pytest.raises(ConfigError, match=r"XCOM_PATH .* can't be written: No such file or directory"):
        write_xcom(SummarySettings(xcom_path=str(tmp_path / "none" / "return.json")), "{}")
