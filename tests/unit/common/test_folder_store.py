"""What only the folder store has to keep."""

from pathlib import Path

import pytest

from stockpipe.common.errors import ConfigError
from stockpipe.common.lake.folder import FolderStore
from stockpipe.common.lake.open import open_lake
from stockpipe.common.settings import LakeSettings


def test_an_interrupted_write_leaves_no_object(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FolderStore(tmp_path)

    def interrupted(_descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        store.create("a", b"half")
    assert list(store.list("")) == []
    assert list((tmp_path / ".unfinished").iterdir()) == []


def test_a_folder_that_can_not_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="check LAKE_URL"):
        open_lake(LakeSettings(lake_url=f"file://{tmp_path}/file/lake"))
