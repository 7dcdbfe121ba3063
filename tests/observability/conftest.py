from collections.abc import Iterator

import pytest

from support.live_stack import Stack, running_stack


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The running pipeline, for all tests of a module."""
    with running_stack(tmp_path_factory.mktemp("live")) as running:
        yield running
