"""From a quote's event to its raw object, its processed row and its row in the warehouse, by the real programs."""

import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from confluent_kafka import Producer

from benchmarks.harness import Bench, Result, Target
from stockpipe.common.clock import SystemClock
from stockpipe.common.contracts.tables import REALTIME_STOCK_ANALYTICS
from stockpipe.common.lake.folder import FolderStore
from stockpipe.common.lake.layout import processed_manifest, raw_manifest
from stockpipe.common.lake.manifests import processed_manifests, raw_manifests
from stockpipe.common.lake.raw_rows import OFFSET_COLUMN, decode_rows
from stockpipe.common.times import from_text, to_text
from stockpipe.common.warehouse.ledger import loaded_batches
from stockpipe.common.warehouse.reader import open_reader
from stockpipe.standalone.latency import percentile
from stockpipe.standalone.pipeline import TOPICS, program, running_pipeline, spark_job
from stockpipe.standalone.run_folder import RunFolder
from support.kafka_io import encoded
from support.records import quote
from support.waiting import eventually

INTERVAL = 30.0
Stamps = dict[tuple[int, int], float]


def send_open_loop(bootstrap: str, symbols: int, seconds: float) -> int:
    """Send each symbol's quote every 30 s, evenly spread, stamped with when it was due, however late it is sent."""
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 20, "partitioner": "murmur2_random"})
    began, pace, never = time.time(), symbols / INTERVAL, threading.Event()
    count = int(seconds * pace)
    for number in range(count):
        due = began + number / pace
        never.wait(max(0.0, due - time.time()))
        at = to_text(datetime.fromtimestamp(due, UTC))
        raw = encoded(quote(symbol=f"S{number % symbols:05}", event_time=at, fetched_at=at, volume=number))
        producer.produce(TOPICS[0], raw.value, key=raw.key, headers=list(raw.headers))
        producer.poll(0)
    assert producer.flush(30) == 0
    return count


class Stages:
    """When each quote was due, and when each stage had it, seconds since the epoch."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        store = FolderStore(folder.path / "lake")
        loads = self._loads()
        batches = list(processed_manifests(store, "realtime_live"))
        raws = list(raw_manifests(store, TOPICS[0]))
        # listed last, so that all of the above are in it while the pipeline goes on
        modified = {info.key: info.modified.timestamp() for info in store.list("")}
        self.due: Stamps = {}
        self.raw: Stamps = {}
        for raw in raws:
            for entry in raw.objects:
                rows = decode_rows("realtime", entry.key, store.get(entry.key)).select([OFFSET_COLUMN, "event_time"])
                for row in rows.to_pylist():
                    place = raw.partition, row[OFFSET_COLUMN]
                    self.due[place] = from_text(row["event_time"]).timestamp()
                    self.raw[place] = modified[raw_manifest(raw.topic, raw.partition, raw.start)]
        self.processed: Stamps = {}
        self.loaded: Stamps = {}
        for batch in batches:
            for part in batch.inputs:
                for offset in range(part.start, part.end):
                    place = part.partition, offset
                    self.processed[place] = modified[processed_manifest("realtime_live", batch.batch_id)]
                    if batch.batch_id in loads:
                        self.loaded[place] = loads[batch.batch_id]

    def _loads(self) -> Mapping[str, float]:
        with open_reader(self._folder.warehouse) as reader:
            ledger = reader.qualified(loaded_batches(REALTIME_STOCK_ANALYTICS.database))
            found = reader.query(f"SELECT batch_id, EPOCH(loaded_at) AS at FROM {ledger}").to_pylist()
        return {row["batch_id"]: row["at"] for row in found}

    def seconds(self, stage: Stamps, since: float) -> list[float]:
        """Return how long after they were due the stage had the quotes due after `since`."""
        return sorted(stage[place] - due for place, due in self.due.items() if due >= since)


def _measure(bench: Bench, symbols: int) -> Result:
    folder = RunFolder(bench.folder / f"fresh-{symbols}")
    folder.log("x").parent.mkdir(parents=True)
    folder.scratch.mkdir()
    warm_up, seconds = 45.0, bench.size(60, 30)
    with running_pipeline(folder, SystemClock()) as pipeline, ThreadPoolExecutor(1) as sending:
        pipeline.run("migrate", program("loader", "migrate"))
        pipeline.start("consumer", program("consumer", "--topic", "realtime"))
        pipeline.start("stream", spark_job("spark_stream_processor"))
        pipeline.start("loader", program("loader", "watch"))
        since = time.time() + warm_up
        sent = sending.submit(send_open_loop, pipeline.broker.bootstrap, symbols, warm_up + seconds)
        while not sent.done():
            pipeline.wait(1.0)
        count = sent.result()

        def done() -> bool:
            pipeline.check_services()
            return len(Stages(folder).loaded) == len(Stages(folder).raw) == count

        eventually(done, "every quote is in the raw lake and in the warehouse", 180)
        found = Stages(folder)
    notes = {}
    for name, stage in {"raw object": found.raw, "processed": found.processed, "warehouse": found.loaded}.items():
        values = found.seconds(stage, since)
        notes[name] = ", ".join(f"p{100 * share:.0f} {percentile(values, share):.1f} s" for share in (0.5, 0.95, 0.99))
    notes["quotes"] = f"{len(values):,}, {symbols / INTERVAL:.1f} a second"
    return Result(
        f"freshness-{symbols}",
        f"p95 from event to warehouse / 60 s, {symbols} symbols every 30 s, the programs' defaults",
        [percentile(values, 0.95) / 60],
        Target(1.0, 0.5, at_most=True),
        notes=dict(notes),
    )


def freshness(bench: Bench) -> list[Result]:
    """Latency at 200 and at 2,000 symbols, open loop: a late sender makes no figure better."""
    return [_measure(bench, symbols) for symbols in ((200,) if bench.quick else (200, 2_000))]
