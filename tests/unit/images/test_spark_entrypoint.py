"""The Spark image's main process: what it becomes for a driver, an executor and a job."""

import subprocess
from pathlib import Path

import pytest

ENTRYPOINT = Path(__file__).resolve().parents[3] / "spark-apps/entrypoint.sh"


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A program that prints its arguments, one a line, and what pyspark reads."""
    path = tmp_path / "bin/java"
    path.parent.mkdir()
    path.write_text('#!/bin/sh\nfor each in "$@"; do echo "$each"; done\necho "submit: $PYSPARK_SUBMIT_ARGS"\n')
    path.chmod(0o755)
    return path


def become(program: Path, *arguments: str, **environment: str) -> list[str]:
    environment |= {"PATH": "/usr/bin:/bin", "PYSPARK_PYTHON": str(program), "JAVA_HOME": str(program.parents[1])}
    command = ["bash", str(ENTRYPOINT), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.splitlines()


def test_a_driver_is_the_jobs_python_in_client_mode(program: Path) -> None:
    lines = become(
        program,
        *("driver", "--properties-file", "/opt/spark/conf/spark.properties", "--class", "PythonRunner"),
        *("local:///opt/spark-apps/job.py", "--note", "two words"),
        SPARK_DRIVER_BIND_ADDRESS="10.0.0.7",
    )
    assert lines[:3] == ["/opt/spark-apps/job.py", "--note", "two words"]
    assert lines[3] == (
        "submit: --properties-file /opt/spark/conf/spark.properties --deploy-mode client "
        "--conf spark.driver.bindAddress=10.0.0.7 pyspark-shell"
    )


def test_an_executor_is_java_with_the_options_in_numeric_order(program: Path) -> None:
    names = "DRIVER_URL EXECUTOR_ID EXECUTOR_CORES APPLICATION_ID EXECUTOR_POD_IP RESOURCE_PROFILE_ID EXECUTOR_POD_NAME"
    lines = become(
        program,
        "executor",
        **{f"SPARK_{name}": name.lower() for name in names.split()},
        SPARK_EXECUTOR_MEMORY="512m",
        SPARK_HOME="/opt/spark",
        SPARK_CONF_DIR="/opt/spark/conf",
        **{f"SPARK_JAVA_OPT_{number}": f"-Dn={number} =x" for number in (10, 2, 0)},
    )
    assert lines[:5] == ["-Dn=0 =x", "-Dn=2 =x", "-Dn=10 =x", "-Xms512m", "-Xmx512m"]
    assert lines[6] == "/opt/spark/conf::/opt/spark/jars/*"
    assert lines[8:10] == ["--driver-url", "driver_url"]


def test_without_an_operator_a_job_is_named(program: Path) -> None:
    lines = become(program, "spark_batch_processor", "--run-date", "2026-11-23")
    assert lines[:4] == ["-m", "stockpipe.spark.jobs.spark_batch_processor", "--run-date", "2026-11-23"]


@pytest.mark.parametrize("arguments", [(), ("bash",)])
def test_anything_else_is_refused(arguments: tuple[str, ...]) -> None:
    done = subprocess.run(["bash", str(ENTRYPOINT), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "want 'driver', 'executor' or a job" in done.stderr
