import itertools
import shutil
from pathlib import Path

import pytest

from support.loading import MakeSite, Site, SnowflakeSite


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a migrated warehouse, to be copied."""
    site = Site(tmp_path_factory.mktemp("migrated"))
    site.migrate()
    return site.folder


@pytest.fixture(scope="session")
def make_site(migrated: Path, request: pytest.FixtureRequest) -> MakeSite:
    """Makes a migrated warehouse of a dialect, and an empty lake in a folder."""
    numbers = itertools.count()

    def make(dialect: str, folder: Path) -> Site:
        if dialect == "snowflake":
            server = request.getfixturevalue("snowflake_server")
            site = SnowflakeSite(folder, server=server, schema=f"TEST_{next(numbers)}")
            site.migrate()
            return site
        for file in migrated.iterdir():
            shutil.copy2(file, folder)
        return Site(folder)

    return make


@pytest.fixture
def site(make_site: MakeSite, tmp_path: Path, request: pytest.FixtureRequest) -> Site:
    """A migrated warehouse and an empty lake; `support.loading.ON_BOTH` runs a test on DuckDB and on Snowflake."""
    return make_site(getattr(request, "param", "duckdb"), tmp_path)
