"""A warehouse of real bars made by the real loader, and the API on it."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from support.api import ApiSite, make_site

MakeClient = Callable[..., TestClient]


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> ApiSite:
    """A warehouse that tests only read."""
    return make_site(tmp_path_factory.mktemp("api"))


@pytest.fixture
def own(shared: ApiSite, tmp_path: Path) -> ApiSite:
    """A warehouse that a test may change."""
    shutil.copytree(shared.folder, tmp_path, dirs_exist_ok=True)
    return ApiSite(tmp_path)


@pytest.fixture
def client_of() -> Iterator[Callable[..., TestClient]]:
    """Makes a client of the API on a site, once it is ready; settings as in `ServeSettings`."""
    with ExitStack() as stack:

        def make(site: ApiSite, **settings: Any) -> TestClient:
            return stack.enter_context(site.client(**settings))

        yield make


@pytest.fixture(scope="package")
def anonymous(shared: ApiSite) -> Iterator[TestClient]:
    """A client who may do everything without a key."""
    with shared.client(anonymous_role="operator", rate_limit_per_minute=0) as client:
        yield client
