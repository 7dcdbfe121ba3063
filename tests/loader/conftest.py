import shutil
from pathlib import Path

import pytest

from support.loading import Site


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a migrated warehouse, to be copied."""
    site = Site(tmp_path_factory.mktemp("migrated"))
    site.migrate()
    return site.folder


@pytest.fixture
def site(migrated: Path, tmp_path: Path) -> Site:
    """A migrated warehouse and an empty lake."""
    for file in migrated.iterdir():
        shutil.copy2(file, tmp_path)
    return Site(tmp_path)
