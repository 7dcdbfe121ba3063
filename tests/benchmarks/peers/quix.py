"""Quix Streams: JSON to its CSV sink. python quix.py BOOTSTRAP TOPIC COUNT FOLDER"""

import json
import sys
import time
import warnings
from pathlib import Path
from typing import Any

warnings.simplefilter("ignore")

import quixstreams  # noqa: E402
from quixstreams import Application  # noqa: E402
from quixstreams.sinks.core.csv import CSVSink  # noqa: E402

bootstrap, topic, count, folder = sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4])
began: list[float] = []


def note(_value: Any) -> None:
    if not began:
        began.append(time.perf_counter())


app = Application(
    broker_address=bootstrap,
    consumer_group=f"quix-{time.time_ns()}",
    auto_offset_reset="earliest",
    commit_every=50_000,
    commit_interval=30.0,
    consumer_extra_config={"fetch.queue.backoff.ms": 20, "fetch.wait.max.ms": 100},
    state_dir=folder / "state",
    loglevel="ERROR",
)
frame = app.dataframe(app.topic(topic, value_deserializer="json", key_deserializer="str"))
frame.update(note).sink(CSVSink(str(folder / "quix.csv")))
app.run(count=count, collect=False, timeout=30.0)
seconds = time.perf_counter() - began[0]
print(json.dumps({"seconds": seconds, "version": f"quixstreams {quixstreams.__version__}"}))
