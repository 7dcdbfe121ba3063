from collections.abc import Iterator

import hypothesis
import pytest

from stockpipe.standalone.broker import Broker, running_broker

hypothesis.settings.register_profile("fixed", deadline=None, derandomize=True)
hypothesis.settings.load_profile("fixed")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--chaos-runs", type=int, default=3, help="seeded runs of random faults")
    parser.addoption("--chaos-seed", type=int, default=1, help="seed of the first of them")


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A real Kafka for the whole run; every test makes topics of its own names in it."""
    with running_broker(tmp_path_factory.mktemp("kafka")) as running:
        yield running
