from collections.abc import Iterator

import hypothesis
import pytest

from stockpipe.standalone.broker import Broker, running_broker
from support.fakesnow import running_fakesnow

hypothesis.settings.register_profile("fixed", deadline=None, derandomize=True)
hypothesis.settings.load_profile("fixed")


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A real Kafka for the whole run; every test makes topics of its own names in it."""
    with running_broker(tmp_path_factory.mktemp("kafka")) as running:
        yield running


@pytest.fixture(scope="session")
def snowflake_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a Snowflake for the whole run; every test has a schema of its own in it."""
    with running_fakesnow(tmp_path_factory.mktemp("fakesnow") / "server.log") as url:
        yield url
