"""MinIO behind TLS with a certificate of a CA that only MINIO_CA_FILE knows."""

from pathlib import Path

import pytest

from stockpipe.common.lake.open import open_lake
from stockpipe.common.lake.s3 import S3Store
from stockpipe.common.lake.store import StoreRefused
from stockpipe.common.settings import LakeSettings
from stockpipe.standalone.minio import running_minio
from support.buckets import IMPATIENT, bucket_of, require_minio
from support.certificates import new_tls


def test_only_the_right_ca_and_https_reach_the_lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require_minio()
    with running_minio(tmp_path / "minio", tls=new_tls(tmp_path / "certs")) as minio:
        minio.create_bucket("lake")
        for name, value in minio.environment("lake").items():
            monkeypatch.setenv(name, value)
        store = open_lake(LakeSettings())
        store.create("key", b"content")
        assert store.get("key") == b"content"

        other = new_tls(tmp_path / "others").ca
        for bucket in (bucket_of(minio, "lake", ca_file=other), bucket_of(minio, "lake", public_ca=True)):
            with pytest.raises(StoreRefused, match=r"certificate is refused, .*; check MINIO_CA_FILE"):
                S3Store(bucket, patience=IMPATIENT)
        with pytest.raises(StoreRefused, match="check MINIO_ENDPOINT, http:// or https:// too"):
            S3Store(bucket_of(minio, "lake", secure=False), patience=IMPATIENT)
