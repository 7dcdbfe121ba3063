import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from stockpipe.common.lake.open import open_lake
from stockpipe.common.lake.s3 import S3Store
from stockpipe.common.lake.store import ObjectStore
from stockpipe.common.settings import LakeSettings
from stockpipe.standalone.minio import MinioServer
from support.background import answering
from support.buckets import IMPATIENT, PART_BYTES, emulated_bucket, new_store


@pytest.fixture(scope="session")
def emulator() -> Iterator[tuple[str, int]]:
    """moto, an S3 emulator, at the address returned."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    application = DomainDispatcherApplication(create_backend_app)
    # One request at a time: moto looks for the key and writes it without a lock in between.
    server = make_server("127.0.0.1", 0, application, threaded=False)
    with answering(server):
        yield "127.0.0.1", server.port


@pytest.fixture(params=["folder", "minio", "emulator"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    """An empty store, of every kind in turn."""
    if request.param == "folder":
        return open_lake(LakeSettings(lake_url=f"file://{tmp_path}/lake with space"))
    if request.param == "minio":
        minio: MinioServer = request.getfixturevalue("minio")
        return new_store(minio)
    return S3Store(emulated_bucket(request.getfixturevalue("emulator")), patience=IMPATIENT, part_bytes=PART_BYTES)
