"""The lake in a bucket, on a real MinIO, as Airflow reaches it by a connection."""

import json
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from local_pods import BIN
from stock_airflow.lake import lake, processed_manifest, raw_manifests, write_report


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, set_settings: Callable[..., None]) -> Iterator[None]:
    """A bucket that the connection `lake` leads to."""
    command = [str(BIN / "python"), str(Path(__file__).with_name("bucket.py")), str(tmp_path), "stock-market-data"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            if not line:
                pytest.skip("no MinIO server: `make servers` builds one by Go, or put minio on the PATH")
            reached = json.loads(line)
            connection = {
                "conn_type": "aws",
                "login": reached["MINIO_ACCESS_KEY"],
                "password": reached["MINIO_SECRET_KEY"],
                "extra": {"endpoint_url": reached["MINIO_ENDPOINT"]},
            }
            monkeypatch.setenv("AIRFLOW_CONN_LAKE", json.dumps(connection))
            set_settings(lake="s3://lake@stock-market-data")
            yield
        finally:
            process.stdin.close()


def put(key: str, content: dict[str, str]) -> None:
    (lake() / key).write_text(json.dumps(content))


def test_manifests_are_found_as_they_come_and_reports_written(bucket: None) -> None:
    began = datetime.now(UTC) - timedelta(seconds=1)
    early = {"written_at": (began - timedelta(hours=1)).isoformat()}
    late = {"written_at": (began + timedelta(seconds=1)).isoformat()}
    assert list(raw_manifests("quotes", began)) == []
    put("raw/_manifests/quotes/partition=00/00000000000000000000.json", early)
    assert list(raw_manifests("quotes", began)) == []
    put("raw/_manifests/quotes/partition=01/00000000000000000000.json", late)
    put("raw/_manifests/other/partition=01/00000000000000000000.json", late)
    assert list(raw_manifests("quotes", began)) == [late]

    assert processed_manifest("daily", "20261124T150000Z-a") is None
    put("processed/_manifests/daily/date=2026-11-24/20261124T150000Z-a.json", {"batch_id": "a"})
    assert processed_manifest("daily", "20261124T150000Z-a") == {"batch_id": "a"}

    write_report("dag/run.md", "first")
    assert write_report("dag/run.md", "second") == "s3://lake@stock-market-data/reports/dag/run.md"
    assert (lake() / "reports/dag/run.md").read_text() == "second"
