import itertools
from pathlib import Path

import pytest

from support.loading import SnowflakeSite

_numbers = itertools.count()


@pytest.fixture
def site(snowflake_server: str, tmp_path: Path) -> SnowflakeSite:
    """A migrated schema and an empty lake."""
    site = SnowflakeSite(tmp_path, server=snowflake_server, schema=f"ONLY_{next(_numbers)}")
    site.migrate()
    return site
