"""Faust: JSON decoded, nothing written. python faust_json.py BOOTSTRAP TOPIC COUNT FOLDER

It reads on its own Kafka client in Python; what lz4 compressed it reads only if cramjam is there.
"""

import importlib.metadata
import json
import os
import sys
import time
from typing import Any

import faust

bootstrap, name, count, folder = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
app = faust.App(
    f"faust-{time.time_ns()}",
    broker=f"kafka://{bootstrap}",
    datadir=folder,
    store="memory://",
    web_enabled=False,
    topic_disable_leader=True,
    consumer_auto_offset_reset="earliest",
    broker_commit_every=50_000,
)


@app.agent(app.topic(name, value_serializer="json", key_serializer="raw"))
async def read(quotes: Any) -> None:
    began, counted, volumes = 0.0, 0, 0
    async for quote in quotes:
        began = began or time.perf_counter()
        counted += 1
        volumes += quote["volume"]
        if counted == count:
            seconds = time.perf_counter() - began
            assert volumes == count * (count - 1) // 2
            version = f"faust-streaming {importlib.metadata.version('faust-streaming')}"
            print(json.dumps({"seconds": seconds, "version": version}), flush=True)
            os._exit(0)  # app.stop() waits for this agent


if __name__ == "__main__":
    app.finalize()
    worker = faust.Worker(app, loglevel="ERROR", redirect_stdouts=False)
    worker.execute_from_commandline()
