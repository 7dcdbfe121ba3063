"""What the store on S3 does when the network or the server fails, and what it refuses to try again."""

import io
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stockpipe.common.errors import PipelineError
from stockpipe.common.lake.s3 import S3Store
from stockpipe.common.lake.store import (
    ObjectDamaged,
    ObjectExists,
    ObjectMissing,
    StoreRefused,
    StoreUnavailable,
)
from stockpipe.common.logs import configure_logs
from stockpipe.standalone.minio import MinioServer, running_minio
from stockpipe.standalone.ports import free_ports
from support.buckets import IMPATIENT, PART_BYTES, bucket_of, new_name, new_store
from support.faulty_proxy import (
    Exchange,
    FaultyProxy,
    Mode,
    altering_uploads,
    answering,
    cutting_answers,
    cutting_uploads,
    faulty_proxy,
    hanging,
    losing_answers,
    slow,
)

HASTY = replace(IMPATIENT, read=0.3)
LARGE = b"0123456789abcdef" * (2 * PART_BYTES // 16) + b"last part"


@pytest.fixture
def proxy(minio: MinioServer) -> Iterator[FaultyProxy]:
    with faulty_proxy(minio.address) as running:
        yield running


@pytest.fixture
def store(minio: MinioServer, proxy: FaultyProxy) -> S3Store:
    """A store on a new bucket that is reached through the proxy."""
    return new_store(minio, address=proxy.address)


@pytest.fixture
def hasty(minio: MinioServer, proxy: FaultyProxy) -> S3Store:
    """The same, giving up a silent server soon."""
    return new_store(minio, address=proxy.address, patience=HASTY)


def uploads(minio: MinioServer, store: S3Store) -> int:
    """Return how many uploads of parts are open in the store's bucket."""
    found = minio.client()._list_multipart_uploads(store.url.removeprefix("s3://"), prefix="large")
    return len(found.uploads)


def completes(exchange: Exchange) -> bool:
    return exchange.method == "POST" and "uploadId=" in exchange.path


def sends_a_part(exchange: Exchange) -> bool:
    return "partNumber=2" in exchange.path


@pytest.mark.parametrize(
    "mode",
    [
        answering(503),
        answering(500),
        answering(429),
        hanging,
        cutting_uploads(3),
        cutting_answers(3),
        losing_answers,
        slow(0.01),
    ],
    ids=["503", "500", "429", "hang", "cut upload", "cut answer", "lost answer", "slow"],
)
def test_a_short_outage_heals_by_itself(hasty: S3Store, proxy: FaultyProxy, mode: Mode) -> None:
    hasty.create("there", b"before")
    proxy.set_mode(mode, times=2)
    hasty.create("key", b"content")
    proxy.set_mode(mode, times=2)
    assert hasty.get("key") == b"content"
    proxy.set_mode(mode, times=2)
    assert [info.key for info in hasty.list("")] == ["key", "there"]
    proxy.set_mode(mode, times=2)
    hasty.delete("key")
    proxy.set_mode(mode, times=2)
    with pytest.raises(ObjectMissing):
        hasty.get("key")
    proxy.set_mode(mode, times=2)
    with pytest.raises(ObjectExists):
        hasty.create("there", b"other")
    assert hasty.get("there") == b"before"


@pytest.mark.parametrize("mode", [answering(503), hanging, losing_answers], ids=["503", "hang", "lost answer"])
def test_a_long_outage_is_unavailable_after_the_last_try(hasty: S3Store, proxy: FaultyProxy, mode: Mode) -> None:
    proxy.set_mode(mode)
    for use in (lambda: hasty.create("key", b"content"), lambda: hasty.get("key"), lambda: list(hasty.list(""))):
        del proxy.seen[:]
        began = time.monotonic()
        with pytest.raises(StoreUnavailable, match=r"bucket bucket-\d+ at 127\.0\.0\.1:\d+ can't be reached"):
            use()
        assert len(proxy.seen) == 1 + HASTY.retries
        assert time.monotonic() - began < (1 + HASTY.retries) * (HASTY.read + 1)


def test_a_create_whose_answer_was_lost_is_no_conflict_with_itself(store: S3Store, proxy: FaultyProxy) -> None:
    proxy.set_mode(losing_answers, times=1)
    store.create("key", b"content")
    assert [request.partition(" ")[0] for request in proxy.seen[-3:]] == ["PUT", "PUT", "HEAD"]
    proxy.set_mode(losing_answers, times=1)
    with pytest.raises(ObjectExists):
        store.create("key", b"content")


def test_a_create_whose_answer_was_lost_to_another_writer_is_a_conflict(
    store: S3Store, proxy: FaultyProxy, minio: MinioServer
) -> None:
    """The other one writes, with the same content, between our first try and our second."""
    name = store.url.removeprefix("s3://")
    other = S3Store(bucket_of(minio, name), patience=IMPATIENT)

    def overtaken(exchange: Exchange) -> None:
        other.create("key", b"content")
        exchange.drop()

    proxy.set_mode(overtaken, times=1)
    with pytest.raises(ObjectExists):
        store.create("key", b"content")


@pytest.mark.parametrize("mode", [answering(503), losing_answers, cutting_uploads(1000)], ids=["503", "lost", "cut"])
def test_a_part_is_sent_again(store: S3Store, proxy: FaultyProxy, minio: MinioServer, mode: Mode) -> None:
    proxy.set_mode(mode, times=2, only=sends_a_part)
    store.create("large", LARGE)
    assert store.get("large") == LARGE
    assert uploads(minio, store) == 0


@pytest.mark.parametrize("mode", [answering(503), losing_answers], ids=["503", "lost"])
def test_a_completion_is_sent_again(store: S3Store, proxy: FaultyProxy, minio: MinioServer, mode: Mode) -> None:
    proxy.set_mode(mode, times=2, only=completes)
    store.create("large", LARGE)
    assert store.get("large") == LARGE
    proxy.set_mode(mode, times=2, only=completes)
    with pytest.raises(ObjectExists):
        store.create("large", LARGE)
    assert uploads(minio, store) == 0


def test_a_completion_that_can_not_be_repeated_is_unavailable(
    store: S3Store, proxy: FaultyProxy, minio: MinioServer
) -> None:
    """MinIO says so when the first try's connection broke while it was joining the parts."""
    gone = b"<Error><Code>InvalidPart</Code><Message>One or more parts could not be found.</Message></Error>"
    proxy.set_mode(lambda exchange: exchange.refuse(400, gone), times=1, only=completes)
    with pytest.raises(StoreUnavailable, match=r"InvalidPart: .*; try again"):
        store.create("large", LARGE)
    assert uploads(minio, store) == 0
    assert list(store.list("")) == []
    store.create("large", LARGE)
    assert store.get("large") == LARGE


@pytest.mark.parametrize("size", [1000, len(LARGE)], ids=["small", "in parts"])
def test_an_upload_that_is_cut_leaves_nothing(
    store: S3Store, proxy: FaultyProxy, minio: MinioServer, size: int
) -> None:
    proxy.set_mode(cutting_uploads(500), only=lambda exchange: len(exchange.body) > 500)
    with pytest.raises(StoreUnavailable):
        store.create("large/cut", LARGE[:size])
    assert list(store.list("")) == []
    assert uploads(minio, store) == 0
    proxy.set_mode(altering_uploads, times=0)
    store.create("large/cut", LARGE[:size])
    assert store.get("large/cut") == LARGE[:size]


def test_a_body_that_changed_on_its_way_is_not_stored(store: S3Store, proxy: FaultyProxy) -> None:
    proxy.set_mode(altering_uploads)
    with pytest.raises(StoreUnavailable, match="XAmzContentSHA256Mismatch"):
        store.create("key", b"content")
    proxy.set_mode(altering_uploads, only=sends_a_part)
    with pytest.raises(StoreUnavailable, match="XAmzContentSHA256Mismatch"):
        store.create("large", LARGE)
    assert list(store.list("")) == []


def test_an_object_that_changed_is_not_read(store: S3Store, proxy: FaultyProxy) -> None:
    store.create("key", b"content")

    def altering(exchange: Exchange) -> None:
        answer = exchange.forward()
        assert answer is not None
        answer.body = answer.body.replace(b"content", b"konnten")
        exchange.reply(answer)

    proxy.set_mode(altering)
    with pytest.raises(ObjectDamaged, match="key"):
        store.get("key")


def test_a_listing_is_the_same_when_its_second_page_fails_at_first(
    store: S3Store, proxy: FaultyProxy, minio: MinioServer
) -> None:
    keys = [f"k/{number:04d}" for number in range(1_001)]
    direct = minio.client()
    for key in keys:
        direct.put_object(store.url.removeprefix("s3://"), key, io.BytesIO(), 0)
    proxy.set_mode(answering(503), times=2, only=lambda exchange: "continuation-token" in exchange.path)
    assert [info.key for info in store.list("k/")] == keys


def test_what_others_left_in_the_bucket_is_not_listed(store: S3Store, minio: MinioServer) -> None:
    name = store.url.removeprefix("s3://")
    for key in ("folder/", "a/.hidden", ".x/y"):
        minio.client().put_object(name, key, io.BytesIO(), 0)
    store.create("a/b", b"")
    assert [info.key for info in store.list("")] == ["a/b"]


def test_an_object_that_another_program_wrote_is_read(store: S3Store, minio: MinioServer) -> None:
    minio.client().put_object(store.url.removeprefix("s3://"), "theirs", io.BytesIO(), 0)
    assert store.get("theirs") == b""
    with pytest.raises(ObjectExists):
        store.create("theirs", b"")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"access_key": "nobody"}, "InvalidAccessKeyId: .*; check MINIO_ACCESS_KEY"),
        ({"secret_key": "wrong-secret"}, "SignatureDoesNotMatch: .*; check MINIO_SECRET_KEY"),
        ({"name": "no-such-bucket"}, "bucket no-such-bucket at .*: NoSuchBucket: .*; check LAKE_URL, or create"),
        ({"secure": True}, "doesn't speak TLS; check whether MINIO_ENDPOINT is http://"),
    ],
)
def test_what_can_not_heal_is_refused_at_once(minio: MinioServer, changes: dict[str, Any], message: str) -> None:
    name = new_name()
    minio.create_bucket(name)
    with faulty_proxy(minio.address) as proxy:
        address = minio.address if "secure" in changes else proxy.address
        bucket = bucket_of(minio, **({"name": name, "address": address} | changes))
        with pytest.raises(StoreRefused, match=message) as refused:
            S3Store(bucket, patience=IMPATIENT)
        assert len(proxy.seen) == (0 if "secure" in changes else 1), "no second try"
    assert refused.value.exit_code == 2
    assert_silent(refused.value, minio.secret_key, "wrong-secret")


def test_a_right_that_is_missing_is_named(store: S3Store, proxy: FaultyProxy) -> None:
    denied = b"<Error><Code>AccessDenied</Code><Message>Access Denied.</Message></Error>"

    def denying(exchange: Exchange) -> None:
        exchange.refuse(403, denied)

    proxy.set_mode(denying)
    with pytest.raises(StoreRefused, match=r"AccessDenied: .*; give the user of MINIO_ACCESS_KEY the right"):
        store.create("key", b"")


def test_a_server_that_is_not_s3_is_refused(minio: MinioServer) -> None:
    with faulty_proxy(minio.address) as proxy:
        proxy.set_mode(answering(404, b"<html>nothing here</html>"))
        with pytest.raises(StoreRefused, match=r"the answer is not S3's .*; check MINIO_ENDPOINT"):
            S3Store(bucket_of(minio, "any", address=proxy.address), patience=IMPATIENT)


def test_a_server_that_is_down_is_unavailable_soon(minio: MinioServer) -> None:
    (port,) = free_ports(1)
    began = time.monotonic()
    with pytest.raises(StoreUnavailable, match=rf"127\.0\.0\.1:{port} can't be reached: .*refused") as unavailable:
        S3Store(bucket_of(minio, "any", address=("127.0.0.1", port)), patience=IMPATIENT)
    assert time.monotonic() - began < 5
    assert unavailable.value.exit_code == 3
    assert_silent(unavailable.value, minio.secret_key)


@pytest.mark.usefixtures("minio")
def test_a_server_that_comes_back_has_what_was_created(tmp_path: Path) -> None:
    with running_minio(tmp_path) as first:
        first.create_bucket("lake")
        bucket = bucket_of(first, "lake")
        store = S3Store(bucket, patience=IMPATIENT)
        store.create("key", b"content")
    with pytest.raises(StoreUnavailable):
        store.get("key")
    with running_minio(tmp_path, port=first.address[1]):
        assert store.get("key") == b"content"


def assert_silent(error: BaseException | None, *secrets: str) -> None:
    """Check that neither the error nor what caused it tells a secret."""
    while error is not None:
        assert not [secret for secret in secrets if secret in str(error) or secret in repr(error)]
        error = error.__cause__ or error.__context__


def test_secrets_are_in_no_log(
    store: S3Store, proxy: FaultyProxy, minio: MinioServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    proxy.set_mode(answering(503), times=2)
    store.create("key", b"content")
    proxy.set_mode(answering(503))
    with pytest.raises(PipelineError):
        store.get("key")
    assert "Retry" in caplog.text
    assert minio.secret_key not in caplog.text
    assert "Signature=" not in caplog.text
    assert minio.secret_key not in repr(store) + repr(store._bucket)


def test_a_retry_is_logged_as_one_json_event(
    store: S3Store, proxy: FaultyProxy, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logs("test")
    proxy.set_mode(losing_answers, times=1)
    store.create("key", b"content")
    (line,) = capsys.readouterr().err.splitlines()
    event = json.loads(line)
    assert (event["event"], event["service"]) == ("library_warning", "test")
    assert "/key" in event["detail"]
