"""What Airflow itself reads and writes in the lake: manifests and reports, nothing else."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from airflow.sdk import ObjectStoragePath

from stock_airflow.settings import SETTINGS

Manifest = dict[str, Any]


def lake() -> ObjectStoragePath:
    """Return the lake's root."""
    return ObjectStoragePath(SETTINGS.lake)


def raw_manifests(topic: str, since: datetime) -> Iterator[Manifest]:
    """Yield the commit records of `topic` that were written at `since` or later.

    They are listed anew each time; only those that the store says are so young are read.
    """
    root = lake() / "raw/_manifests" / topic
    root.fs.invalidate_cache()
    found = root.fs.find(root.path, detail=True)
    for key, info in sorted(found.items()):
        if key.endswith(".json") and _written(info) >= since.replace(microsecond=0):
            manifest = json.loads(root.fs.cat_file(key))
            if datetime.fromisoformat(manifest["written_at"]) >= since:
                yield manifest


def landed(topic: str, since: datetime) -> dict[str, Any]:
    """Return what the manifests of `raw_manifests` hold together."""
    manifests = list(raw_manifests(topic, since))
    with_rows = [each for each in manifests if each["records"]]
    first = min((each["min_event_time"] for each in with_rows), default="")
    last = max((each["max_event_time"] for each in with_rows), default="")
    return {
        "manifests": len(manifests),
        "records": sum(each["records"] for each in manifests),
        "rejected": sum(each["rejected"] for each in manifests),
        "first_day": first[:10],
        "last_day": last[:10],
        "newest": last,
        "symbols": sorted({symbol for each in manifests for symbol in each["symbols"]}),
    }


def processed_manifest(dataset: str, batch_id: str) -> Manifest | None:
    """Return the commit record of a processed batch, None if there is none."""
    day = datetime.strptime(batch_id[:8], "%Y%m%d").date().isoformat()
    path = lake() / "processed/_manifests" / dataset / f"date={day}" / f"{batch_id}.json"
    path.fs.invalidate_cache()
    return json.loads(path.read_text()) if path.exists() else None


def write_report(name: str, text: str) -> str:
    """Write `reports/<name>`, in place of what was there, and return its URL."""
    path = lake() / "reports" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


def _written(info: dict[str, Any]) -> datetime:
    written = info.get("LastModified")
    return written if isinstance(written, datetime) else datetime.fromtimestamp(info["mtime"], UTC)
