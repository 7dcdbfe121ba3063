"""The conformance suite of object stores: every implementation passes the same tests."""

import threading
from pathlib import Path

import pytest

from stockpipe.common.errors import ConfigError
from stockpipe.common.lake.folder import FolderStore
from stockpipe.common.lake.open import open_lake
from stockpipe.common.lake.store import ObjectExists, ObjectMissing, ObjectStore, create_content


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return open_lake(f"file://{tmp_path}/lake with space")


def test_what_is_created_is_read_back(store: ObjectStore) -> None:
    store.create("raw/a/b.csv", b"\x00rows")
    assert store.get("raw/a/b.csv") == b"\x00rows"


def test_a_missing_object_is_named(store: ObjectStore) -> None:
    with pytest.raises(ObjectMissing, match=r"raw/none\.csv"):
        store.get("raw/none.csv")


def test_an_object_is_never_replaced(store: ObjectStore) -> None:
    store.create("a", b"first")
    with pytest.raises(ObjectExists):
        store.create("a", b"second")
    assert store.get("a") == b"first"


def test_of_many_writers_exactly_one_wins(store: ObjectStore) -> None:
    won: list[int] = []
    start = threading.Barrier(16)

    def write(number: int) -> None:
        start.wait()
        try:
            store.create("contended", str(number).encode())
            won.append(number)
        except ObjectExists:
            pass

    threads = [threading.Thread(target=write, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [str(number).encode() for number in won] == [store.get("contended")]


def test_listing_is_by_prefix_in_key_order(store: ObjectStore) -> None:
    for key in ("b/2", "b/10", "a/1", "b-side/1", "b/1/x"):
        store.create(key, b"12")
    assert [info.key for info in store.list("b/")] == ["b/1/x", "b/10", "b/2"]
    assert [info.key for info in store.list("b")] == ["b-side/1", "b/1/x", "b/10", "b/2"]
    assert [info.key for info in store.list("b/1")] == ["b/1/x", "b/10"]
    assert [info.key for info in store.list("b/", after="b/10")] == ["b/2"]
    assert [info.size for info in store.list("a/")] == [2]
    assert list(store.list("none/")) == []


def test_deleting_twice_is_no_error(store: ObjectStore) -> None:
    store.create("a", b"x")
    store.delete("a")
    store.delete("a")
    assert list(store.list("")) == []


def test_equal_content_of_a_crashed_try_is_taken_over(store: ObjectStore) -> None:
    store.create("raw/x.csv", b"rows")
    assert create_content(store, "raw/x.csv", b"rows") == "raw/x.csv"
    assert [info.key for info in store.list("")] == ["raw/x.csv"]


def test_other_content_of_a_crashed_try_is_left_alone(store: ObjectStore) -> None:
    store.create("raw/x.csv", b"theirs")
    key = create_content(store, "raw/x.csv", b"ours")
    assert store.get("raw/x.csv") == b"theirs"
    assert store.get(key) == b"ours"
    assert key.startswith("raw/x-")
    assert key.endswith(".csv")
    assert create_content(store, "raw/x.csv", b"ours") == key


@pytest.mark.parametrize("key", ["", "/a", "../a", "a/../b", ".hidden", "a/.b"])
def test_a_key_can_not_leave_the_store(store: ObjectStore, key: str) -> None:
    with pytest.raises(ValueError, match="not an object key"):
        store.get(key)


def test_an_interrupted_write_leaves_no_object(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FolderStore(tmp_path)

    def interrupted(_descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        store.create("a", b"half")
    assert list(store.list("")) == []
    assert list((tmp_path / ".unfinished").iterdir()) == []


@pytest.mark.parametrize("url", ["lake", "file://lake", "file:///", "ftp://x/y", ""])
def test_a_wrong_url_is_named(url: str) -> None:
    with pytest.raises(ConfigError, match="LAKE_URL"):
        open_lake(url)


def test_a_folder_that_can_not_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="check LAKE_URL"):
        open_lake(f"file://{tmp_path}/file/lake")
