"""Every variable of every container is a setting of its program, with a value that the program takes."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import AliasChoices, SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import CliApp

from stockpipe.api.settings import ServeSettings
from stockpipe.auditor.settings import AuditWatchSettings, BooksSettings, MaintainSettings, TraceSettings
from stockpipe.common.lake.s3_bucket import Bucket
from stockpipe.common.settings import KafkaSettings, LakeSettings, ServiceSettings
from stockpipe.consumer.settings import ConsumerSettings
from stockpipe.loader.settings import MigrateSettings, WatchSettings
from stockpipe.producer.settings import BatchSettings, RealtimeSettings
from stockpipe.spark.settings import DailySettings, StreamBatchSettings, StreamSettings
from stockpipe.standalone.go_programs import HELM_4
from support.charts import PIPELINE, Document, Pod, Rendering, pods, render

PROGRAMS: dict[str, type[ServiceSettings]] = {
    "stockpipe-api serve": ServeSettings,
    "stockpipe-producer realtime": RealtimeSettings,
    "stockpipe-producer batch": BatchSettings,
    "stockpipe-consumer": ConsumerSettings,
    "stockpipe-loader migrate": MigrateSettings,
    "stockpipe-loader watch": WatchSettings,
    "stockpipe-auditor books": BooksSettings,
    "stockpipe-auditor maintain": MaintainSettings,
    "stockpipe-auditor trace": TraceSettings,
    "stockpipe-auditor watch": AuditWatchSettings,
    "spark_batch_processor": DailySettings,
    "spark_stream_batch_processor": StreamBatchSettings,
    "spark_stream_processor": StreamSettings,
}
NOT_OURS = {"PYSPARK_SUBMIT_ARGS"}
"""PySpark's."""


def command_of(container: Document) -> str:
    """Return the container's command line; the services' images have their program as entry point."""
    component = container["image"].rpartition("/")[2].partition(":")[0]
    entry = container.get("command", [f"stockpipe-{component}"])
    return " ".join([*entry, *container.get("args", ())])


def flags_of(container: Document) -> list[str]:
    """Return the flags of the command line, without the program's command; those of a script are not looked at."""
    if container.get("command") == ["sh", "-ec"]:
        return ["--symbol=IBM"] if "stockpipe-auditor trace" in command_of(container) else []
    arguments: list[str] = container.get("args", [])
    return arguments if not arguments or arguments[0].startswith("--") else arguments[1:]


def settings_of(command: str) -> type[ServiceSettings]:
    return PROGRAMS[max((name for name in PROGRAMS if re.search(rf"{name}\b", command)), key=len)]


def names_of(settings: type[ServiceSettings]) -> Iterator[str]:
    for name, field in settings.model_fields.items():
        for each in _aliases(name, field):
            yield each.upper()
        if SecretStr in (field.annotation, *getattr(field.annotation, "__args__", ())):
            yield f"{name.upper()}_FILE"


def _aliases(name: str, field: FieldInfo) -> list[str]:
    if isinstance(field.validation_alias, AliasChoices):
        return [str(each) for each in field.validation_alias.choices]
    return [str(field.validation_alias or field.alias or name)]


def is_ours(pod: Pod) -> bool:
    """Return whether the pod's programs have settings: executors are Spark's own."""
    return pod.labels.get("spark-role") != "executor"


def plain(container: Document) -> dict[str, str]:
    return {each["name"]: each["value"] for each in container.get("env", ()) if "value" in each}


@pytest.mark.parametrize("rendering", PIPELINE, ids=str)
def test_every_variable_is_a_setting_of_its_program(rendering: Rendering) -> None:
    for pod in filter(is_ours, pods(render(HELM_4, rendering))):
        for container in pod.containers:
            known = set(names_of(settings_of(command_of(container)))) | NOT_OURS
            unknown = {each["name"] for each in container["env"]} - known
            assert not unknown, (pod, container["name"])


@pytest.mark.parametrize("rendering", PIPELINE, ids=str)
def test_every_program_takes_its_values(rendering: Rendering, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for pod in filter(is_ours, pods(render(HELM_4, rendering))):
        for container in pod.containers:
            settings = settings_of(command_of(container))
            flags = flags_of(container)
            variables = {name: _with_files(name, value, tmp_path) for name, value in plain(container).items()}
            with monkeypatch.context() as patch:
                # The process's own variables stay: native code of other tests' threads may be reading them.
                patch.setattr(os, "environ", variables)
                taken = CliApp.run(settings, cli_args=flags)
                if isinstance(taken, KafkaSettings):
                    taken.kafka_client_config()
                if isinstance(taken, LakeSettings):
                    Bucket.of(taken)


def _with_files(name: str, value: str, folder: Path) -> str:
    if not value.startswith("/etc/stockpipe/"):
        return value
    file = folder / name
    file.write_text("secret")
    return str(file)
