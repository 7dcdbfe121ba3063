"""Flags, variables and errors of the three programs."""

from typing import Any

import pytest

from stockpipe.common.cli import Command, run_program
from stockpipe.spark.jobs import spark_batch_processor, spark_stream_batch_processor, spark_stream_processor
from stockpipe.spark.settings import DailySettings, SparkSettings, StreamBatchSettings, StreamSettings
from stockpipe.standalone.broker import Broker

COMMANDS: dict[str, Command[Any]] = {
    "daily": Command(DailySettings, spark_batch_processor.run),
    "windows": Command(StreamBatchSettings, spark_stream_batch_processor.run),
    "stream": Command(StreamSettings, spark_stream_processor.run),
}


def run(name: str, *flags: str) -> int:
    with pytest.raises(SystemExit) as exit_:
        run_program(name, {"": COMMANDS[name]}, [*flags])
    assert isinstance(exit_.value.code, int)
    return exit_.value.code


@pytest.fixture(autouse=True)
def _lake(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("LAKE_URL", f"file://{tmp_path}/lake")


@pytest.mark.parametrize(
    ("name", "flags", "message"),
    [
        (
            "daily",
            ("--from", "2024-05-14", "--to", "2024-05-13"),
            "FROM (--from) 2024-05-14 is after TO (--to) 2024-05-13",
        ),
        ("windows", ("--from=2024-05-14", "--to=2024-05-13"), "FROM (--from) 2024-05-14 is after TO (--to) 2024-05-13"),
        ("daily", ("--run-date", "soon"), "RUN_DATE (--run-date)='soon'"),
        ("daily", ("--batch-id", "Mine"), "batch id 'Mine' must look like 20261123T143000Z-name"),
        ("daily", ("--exchange", "XXXX"), "exchange 'XXXX' is unknown"),
        ("windows", ("--slide-minutes", "7"), "SLIDE_MINUTES (--slide-minutes)=7: input should be 1, 5 or 15"),
        ("windows", ("--lake-url", "lake"), "LAKE_URL 'lake' must be file:///absolute/folder or s3://bucket"),
        ("stream", (), "KAFKA_BOOTSTRAP_SERVER (--kafka-bootstrap-server) is required"),
        ("stream", ("--kafka-bootstrap-server=x", "--trigger-seconds=0"), "TRIGGER_SECONDS (--trigger-seconds)='0'"),
    ],
)
def test_a_wrong_flag_is_one_line_and_exit_2(
    name: str, flags: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(name, *flags) == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 1
    assert errors[0].startswith(f"{name}: error: ")
    assert message in errors[0]


def test_a_broker_that_is_down_is_exit_3(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stockpipe.common.kafka.METADATA_TIMEOUT_SECONDS", 0.5)
    assert run("stream", "--kafka-bootstrap-server", "127.0.0.1:1") == 3
    assert "no Kafka broker answers at 127.0.0.1:1" in capsys.readouterr().err


def test_a_missing_topic_is_exit_2(capsys: pytest.CaptureFixture[str], broker: Broker) -> None:
    flags = ("--kafka-bootstrap-server", broker.bootstrap, "--kafka-topic-realtime", "no-such-topic")
    assert run("stream", *flags) == 2
    assert "topic no-such-topic doesn't exist" in capsys.readouterr().err


def test_dates_come_from_flags_or_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[DailySettings] = []

    def keep(settings: DailySettings) -> int:
        seen.append(settings)
        return 0

    monkeypatch.setitem(COMMANDS, "daily", Command(DailySettings, keep))
    monkeypatch.setenv("FROM_DATE", "2024-05-01")
    run("daily", "--to", "2024-05-14")
    run("daily", "--from-date", "2024-05-02")
    assert [(str(settings.first_day), str(settings.last_day)) for settings in seen] == [
        ("2024-05-01", "2024-05-14"),
        ("2024-05-02", "None"),
    ]


def test_the_defaults_of_spark_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARK_SHUFFLE_PARTITIONS", "12")
    monkeypatch.setenv("SPARK_MASTER", "local[3]")
    settings = SparkSettings()
    assert (settings.spark_shuffle_partitions, settings.spark_master) == (12, "local[3]")
