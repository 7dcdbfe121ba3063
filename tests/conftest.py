from collections.abc import Iterator

import hypothesis
import pytest

from stockpipe.standalone.broker import Broker, running_broker
from stockpipe.standalone.minio import MinioServer, running_minio
from support.buckets import require_minio
from support.fakesnow import running_fakesnow

collect_ignore = ["airflow"]  # run in an environment of their own: `make test-airflow`

hypothesis.settings.register_profile("fixed", deadline=None, derandomize=True)
hypothesis.settings.load_profile("fixed")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--chaos-runs", type=int, default=3, help="seeded runs of random faults")
    parser.addoption("--soak-seconds", type=float, default=600.0, help="seconds of the soak")
    parser.addoption("--rewrite-golden", action="store_true", help="write what the charts render, compare nothing")
    parser.addoption("--chaos-seed", type=int, default=1, help="seed of the first of them")
    parser.addoption("--e2e", action="store_true", help="run tests/e2e in the current kubectl context")
    parser.addoption("--e2e-installed", action="store_true", help="on the releases that are there, without installing")


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A real Kafka for the whole run; every test makes topics of its own names in it."""
    with running_broker(tmp_path_factory.mktemp("kafka")) as running:
        yield running


@pytest.fixture(scope="session")
def minio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MinioServer]:
    """A real MinIO for the whole run; every test makes buckets of its own names in it."""
    require_minio()
    with running_minio(tmp_path_factory.mktemp("minio")) as running:
        yield running


@pytest.fixture(scope="session")
def snowflake_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a Snowflake for the whole run; every test has a schema of its own in it."""
    with running_fakesnow(tmp_path_factory.mktemp("fakesnow") / "server.log") as url:
        yield url
