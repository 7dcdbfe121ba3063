"""The whole service to a MinIO server, to a folder and to a store that drops objects: what each store costs."""

import statistics
from collections.abc import Mapping

from benchmarks.harness import Bench, Result, Run, Side, against, paired, rarely_collected, times
from benchmarks.kafka_paths import Lakes, NullStore, check_landed, land, topic_of
from benchmarks.quotes import Filled, unique
from stockpipe.common.lake.s3 import S3Store
from stockpipe.standalone.go_programs import MINIO
from stockpipe.standalone.minio import MinioServer, running_minio
from support.buckets import bucket_of


def sinks(bench: Bench) -> list[Result]:
    """Each store against none. MinIO computes on the same cores, its CPU seconds aren't ours."""
    broker, filled = bench.broker, topic_of(bench)
    sides: dict[str, Side] = {"null": lambda: land(broker, filled, NullStore()), "folder": Lakes(bench, filled).land}
    if MINIO.find() is not None:
        minio = bench.stack.enter_context(running_minio(bench.folder / "minio"))
        sides["minio"] = lambda: _land_in_bucket(bench, filled, minio)
    with rarely_collected():
        runs = paired(sides, bench.rounds)
    names = {"folder": "a folder, fsync before each manifest", "minio": "a MinIO server on the same machine"}
    results = [
        against(runs, f"sink-{name}", name, "null", f"the whole service to {says} / objects dropped")
        for name, says in names.items()
        if name in runs
    ]
    results[0].raw = runs
    results[0].notes = {f"{name}'s share": _share(runs, name) for name in names if name in runs}
    if "minio" not in runs:
        results[0].notes["left out"] = "MinIO: `make servers` builds one if Go is installed"
    return results


def _land_in_bucket(bench: Bench, filled: Filled, minio: MinioServer) -> Run:
    name = unique("bucket")
    minio.create_bucket(name)
    store = S3Store(bucket_of(minio, name))
    run = land(bench.broker, filled, store)
    check_landed(store, filled)
    for entry in store.list(""):
        store.delete(entry.key)
    return run


def _share(runs: Mapping[str, list[Run]], name: str) -> str:
    """Return which part of the service's time goes away with the store."""
    share = statistics.median(1 - 1 / longer for longer in times(runs, name, "null"))
    return f"{share:.0%} of the service's time"
