"""A bucket of MinIO, AWS S3 or another server that honours `If-None-Match: *` as object store."""

import hashlib
import io
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from minio.error import MinioException, S3Error
from urllib3.exceptions import HTTPError

from stockpipe.common.lake.s3_bucket import Bucket
from stockpipe.common.lake.s3_client import PATIENCE, Patience, new_client
from stockpipe.common.lake.s3_errors import MAYBE_WRITTEN, translated
from stockpipe.common.lake.store import ObjectDamaged, ObjectExists, ObjectInfo, ObjectMissing, check_key, is_key

_SHA256 = "x-amz-meta-sha256"
_WRITER = "x-amz-meta-writer"
_NO_KEY = ".stockpipe"


class S3Store:
    """Objects are created by one conditional request, larger ones in parts with a conditional completion.

    The server checks the sum that comes with each request's body. The object's SHA-256 lies beside it and is checked
    whenever it is read; so does a random `writer`, by which a create whose answer was lost knows its own object.
    """

    def __init__(self, bucket: Bucket, *, patience: Patience = PATIENCE, part_bytes: int = 16 * 1024 * 1024) -> None:
        """Open the bucket.

        Args:
            bucket: which one, and who we are there.
            patience: time-outs and retries.
            part_bytes: an object above this size is sent in parts of it; S3 wants at least 5 MiB.

        Raises:
            StoreRefused: the credentials are wrong, or there is no such bucket.
            StoreUnavailable: the server can't be reached.
        """
        self._bucket = bucket
        self._part_bytes = part_bytes
        self._client = new_client(bucket, patience)
        self._ask()

    @property
    def url(self) -> str:
        return f"s3://{self._bucket.name}"

    def spark_url(self, key: str) -> str:
        return f"s3a://{self._bucket.name}/{key}"

    def create(self, key: str, data: bytes) -> None:
        check_key(key)
        writer = secrets.token_hex(16)
        with self._translated():
            try:
                self._client.put_object(
                    self._bucket.name,
                    key,
                    io.BytesIO(data),
                    len(data),
                    metadata={_SHA256: hashlib.sha256(data).hexdigest(), _WRITER: writer},
                    part_size=self._part_bytes,
                    num_parallel_uploads=1,
                )
            except S3Error as error:
                # A try whose answer was lost may have written: its retry then finds the key taken, or its parts gone.
                if error.code not in MAYBE_WRITTEN:
                    raise
                found = self._writer(key)
                if found is None:
                    raise
                if found != writer:
                    raise ObjectExists(f"object {key} exists already") from None

    def get(self, key: str) -> bytes:
        check_key(key)
        with self._translated(key):
            answer = self._client.get_object(self._bucket.name, key)
        data: bytes = answer.data
        expected = answer.headers.get(_SHA256)
        if expected and hashlib.sha256(data).hexdigest() != expected:
            raise ObjectDamaged(f"object {key} in {self.url} differs from its SHA-256 {expected}")
        return data

    def list(self, prefix: str, *, after: str = "") -> Iterator[ObjectInfo]:
        with self._translated():
            found = self._client.list_objects(
                self._bucket.name, prefix=prefix, recursive=True, start_after=after or None
            )
            for entry in found:
                if is_key(entry.object_name):
                    yield ObjectInfo(entry.object_name, entry.size, entry.last_modified)

    def delete(self, key: str) -> None:
        check_key(key)
        with self._translated():
            self._client.remove_object(self._bucket.name, key)

    def _ask(self) -> None:
        """Ask for an object that can't be there, to be refused early."""
        with suppress(ObjectMissing), self._translated():
            try:
                self._client.get_object(self._bucket.name, _NO_KEY)
            except S3Error as error:
                # A user may have no right to this key, and yet to those of its work.
                if error.code != "AccessDenied":
                    raise

    def _writer(self, key: str) -> str | None:
        try:
            metadata = self._client.stat_object(self._bucket.name, key).metadata
        except S3Error as error:
            if error.code == "NoSuchKey":
                return None
            raise
        return metadata.get(_WRITER, "") if metadata else ""

    @contextmanager
    def _translated(self, key: str = "") -> Iterator[None]:
        try:
            yield
        except S3Error as error:
            if error.code == "NoSuchKey":
                raise ObjectMissing(f"object {key} is missing in {self.url}") from None
            raise translated(error, self._bucket) from error
        except (MinioException, HTTPError) as error:
            raise translated(error, self._bucket) from error
