"""bytewax: JSON decoded, nothing written, nothing committed. python bytewax_json.py BOOTSTRAP TOPIC COUNT FOLDER"""

import importlib.metadata
import json
import sys
import time
from typing import Any

import bytewax.operators as op
from bytewax.connectors.kafka import KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.testing import run_main

bootstrap, topic, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
times: list[float] = []
counted = 0


def decode(message: Any) -> Any:
    if not times:
        times.append(time.perf_counter())
    return json.loads(message.value)


class Counted(StatelessSinkPartition):  # type: ignore[misc]
    def write_batch(self, items: list[Any]) -> None:
        global counted  # noqa: PLW0603
        counted += len(items)


class Sink(DynamicSink):  # type: ignore[misc]
    def build(self, _step: str, _worker: int, _workers: int) -> Counted:
        return Counted()


flow = Dataflow("quotes")
config = {"fetch.queue.backoff.ms": "20"}
source = KafkaSource([bootstrap], [topic], tail=False, batch_size=1000, add_config=config)
op.output("out", op.map("decode", op.input("in", flow, source), decode), Sink())
run_main(flow)
seconds = time.perf_counter() - times[0]
assert counted == count, (counted, count)
print(json.dumps({"seconds": seconds, "version": f"bytewax {importlib.metadata.version('bytewax')}"}))
