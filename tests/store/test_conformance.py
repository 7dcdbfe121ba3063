"""What every store keeps, whatever it is made of: a folder, MinIO, and an emulator as a second S3."""

import hashlib
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from stockpipe.common.lake.store import ObjectExists, ObjectMissing, ObjectStore, create_content
from support.buckets import PART_BYTES

LARGE = bytes(range(256)) * (PART_BYTES * 2 // 256) + b"and a little more"


def together(count: int, work: Callable[[int], None]) -> None:
    """Run `work` for each number below `count` at the same time."""
    start = threading.Barrier(count)

    def run(number: int) -> None:
        start.wait()
        work(number)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize("data", [b"", b"\x00rows", LARGE], ids=["empty", "small", "in parts"])
def test_what_is_created_is_read_back_and_never_replaced(store: ObjectStore, data: bytes) -> None:
    store.create("raw/a/b.csv", data)
    assert store.get("raw/a/b.csv") == data
    for other in (data, b"other", LARGE[1:]):
        with pytest.raises(ObjectExists, match=r"raw/a/b\.csv"):
            store.create("raw/a/b.csv", other)
    assert store.get("raw/a/b.csv") == data
    (info,) = store.list("")
    assert (info.key, info.size) == ("raw/a/b.csv", len(data))
    assert abs(info.modified - datetime.now(UTC)) < timedelta(minutes=5)


def test_a_missing_object_is_named(store: ObjectStore) -> None:
    with pytest.raises(ObjectMissing, match=r"raw/none\.csv"):
        store.get("raw/none.csv")


@pytest.mark.parametrize("size", [10, PART_BYTES + 1], ids=["small", "in parts"])
@pytest.mark.parametrize("contents", ["equal", "different"])
def test_of_many_writers_exactly_one_wins(store: ObjectStore, size: int, contents: str) -> None:
    won: list[bytes] = []
    lost: list[int] = []
    count = 20 if size == 10 else 4

    def write(number: int) -> None:
        data = bytes([number if contents == "different" else 0]) * size
        try:
            store.create("contended", data)
            won.append(data)
        except ObjectExists:
            lost.append(number)

    together(count, write)
    assert won == [store.get("contended")]
    assert len(lost) == count - 1


ODD = [
    "raw/historical/^GSPC_143022_p01_1-2.csv",
    "processed/symbol=%5EGSPC/part-1.parquet",
    "processed/symbol=EURUSD=X/a+b c.parquet",
    "raw/BRK-B.x/~(1),'!*&$@;:.csv",
]


def test_odd_characters_of_a_key_are_kept(store: ObjectStore) -> None:
    for key in ODD:
        store.create(key, key.encode())
    assert [info.key for info in store.list("")] == sorted(ODD)
    for key in ODD:
        assert [info.key for info in store.list(key)] == [key]
        assert store.get(key) == key.encode()
    store.delete(ODD[1])
    assert [info.key for info in store.list("processed/")] == [ODD[2]]


def test_listing_is_by_prefix_in_key_order(store: ObjectStore) -> None:
    for key in ("b/2", "b/10", "a/1", "b-side/1", "b/1/x"):
        store.create(key, b"12")
    assert [info.key for info in store.list("b/")] == ["b/1/x", "b/10", "b/2"]
    assert [info.key for info in store.list("b")] == ["b-side/1", "b/1/x", "b/10", "b/2"]
    assert [info.key for info in store.list("b/1")] == ["b/1/x", "b/10"]
    assert [info.key for info in store.list("b/", after="b/10")] == ["b/2"]
    assert [info.key for info in store.list("b/", after="b/1/zzz")] == ["b/10", "b/2"], "after needs no object"
    assert [info.key for info in store.list("b/", after="a")] == ["b/1/x", "b/10", "b/2"]
    assert list(store.list("b/", after="c")) == []
    assert [info.size for info in store.list("a/")] == [2]
    assert list(store.list("none/")) == []


def test_more_keys_than_a_page_holds_are_listed_once_and_in_order(store: ObjectStore) -> None:
    keys = [f"raw/{number % 7}/{number:05d}" for number in range(1_050)]

    def write(worker: int) -> None:
        for key in keys[worker::8]:
            store.create(key, b"")

    together(8, write)
    assert [info.key for info in store.list("raw/")] == sorted(keys)
    assert [info.key for info in store.list("raw/", after=sorted(keys)[20])] == sorted(keys)[21:]


def test_deleting_twice_is_no_error_and_frees_the_key(store: ObjectStore) -> None:
    store.create("a", b"x")
    store.delete("a")
    store.delete("a")
    assert list(store.list("")) == []
    store.create("a", b"y")
    assert store.get("a") == b"y"


def test_equal_content_of_a_crashed_try_is_taken_over(store: ObjectStore) -> None:
    store.create("raw/x.csv", b"rows")
    assert create_content(store, "raw/x.csv", b"rows") == "raw/x.csv"
    assert [info.key for info in store.list("")] == ["raw/x.csv"]


def test_other_content_of_a_crashed_try_is_left_alone(store: ObjectStore) -> None:
    store.create("raw/x.csv", b"theirs")
    key = create_content(store, "raw/x.csv", b"ours")
    assert store.get("raw/x.csv") == b"theirs"
    assert store.get(key) == b"ours"
    assert key == f"raw/x-{hashlib.sha256(b'ours').hexdigest()[:12]}.csv"
    assert create_content(store, "raw/x.csv", b"ours") == key


@pytest.mark.parametrize("key", ["", "/a", "a/", "a//b", "../a", "a/../b", ".hidden", "a/.b"])
def test_what_is_no_key_is_refused(store: ObjectStore, key: str) -> None:
    for use in (store.get, store.delete, lambda name: store.create(name, b"")):
        with pytest.raises(ValueError, match="not an object key"):
            use(key)
