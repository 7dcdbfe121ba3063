"""The consumer against other programs that read the same topic, each in a process of its own."""

import csv
import importlib.metadata
import json
import os
import subprocess
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer

from benchmarks.harness import Bench, Result, Run, Side, Target, paired, rarely_collected, rates
from benchmarks.kafka_paths import Lakes, Timed, read
from benchmarks.quotes import Filled, fill, unique
from stockpipe.standalone import paths
from stockpipe.standalone.broker import Broker

PEERS = paths.ROOT / ".venv-peers/bin/python"
PROGRAMS = Path(__file__).parent / "peers"
PEER_SECONDS = 300.0
"""A peer that isn't done by then hangs."""


def _program(bench: Bench, filled: Filled, name: str, versions: dict[str, str]) -> Run:
    folder = bench.folder / unique(name)
    folder.mkdir()
    command = [str(PEERS), str(PROGRAMS / f"{name}.py"), bench.broker.bootstrap, filled.topic, str(filled.count)]
    command.append(str(folder))
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=PEER_SECONDS)
    assert done.returncode == 0, done.stderr[-3000:]
    said = json.loads(done.stdout.splitlines()[-1])
    versions[name] = said["version"]
    if (written := folder / "quix.csv").exists():
        with written.open() as lines:
            assert sum(1 for _line in lines) == filled.count + 1
    return Run(filled.count, said["seconds"])


def _csv_loop(broker: Broker, filled: Filled, folder: Path) -> Run:
    """Read as scripts do: json.loads, csv.DictWriter, a commit each 10,000 records; nothing is checked."""
    config: dict[str, Any] = {"bootstrap.servers": broker.bootstrap, "group.id": unique("loop"), "log_level": 2}
    plain = Consumer({**config, "auto.offset.reset": "earliest", "enable.auto.commit": False})
    plain.subscribe([filled.topic])
    consumer = Timed(plain)
    count = 0
    with (folder / f"{unique('loop')}.csv").open("w", newline="") as file:
        writer: csv.DictWriter[str] | None = None
        while count < filled.count:
            for message in consumer.consume(500, 1.0):
                row = json.loads(message.value() or b"")
                if writer is None:
                    writer = csv.DictWriter(file, list(row))
                    writer.writeheader()
                writer.writerow(row)
                count += 1
                if count % 10_000 == 0:
                    plain.commit(asynchronous=False)
    assert consumer.watch is not None
    run = consumer.watch.run(count)
    plain.close()
    return run


def peers(bench: Bench) -> list[Result]:
    """The service against Quix Streams' CSV sink, bytewax and Faust that decode only, and a loop of json and csv."""
    filled = fill(bench.broker, "peers", bench.size(300_000, 100_000), bad_every=0)
    lakes, versions = Lakes(bench, filled), dict[str, str]()
    sides: dict[str, Side] = {
        "raw": lambda: read(bench.broker, filled, None),
        "service": lakes.land,
        "json+csv": lambda: _csv_loop(bench.broker, filled, bench.folder),
    }
    if PEERS.exists():
        sides["quix"] = lambda: _program(bench, filled, "quix", versions)
        if not bench.quick:
            sides["bytewax"] = lambda: _program(bench, filled, "bytewax_json", versions)
            fewer = fill(bench.broker, "peers-few", 30_000, bad_every=0)
            sides["faust"] = lambda: _program(bench, fewer, "faust_json", versions)
    with rarely_collected():
        runs = paired(sides, bench.rounds)
    results = []
    if "quix" in runs:
        says = "the whole service / Quix Streams' CSV sink, at least once, one file, no checks"
        results.append(Result("consumer-quix", says, rates(runs, "service", "quix"), Target(5.0, 8.0)))
    if "bytewax" in runs:
        says = "the whole service / bytewax that decodes JSON, writes and commits nothing"
        results.append(Result("consumer-bytewax", says, rates(runs, "service", "bytewax")))
    if "faust" in runs:
        says = "the whole service / Faust that decodes a tenth of the JSON, writes nothing"
        results.append(Result("consumer-faust", says, rates(runs, "service", "faust")))
    says = "the whole service / json.loads and csv.DictWriter with the client's defaults"
    results.append(Result("consumer-loop", says, rates(runs, "service", "json+csv")))
    results[0].raw = runs
    results[0].notes = {"versions": {**versions, "confluent-kafka": importlib.metadata.version("confluent-kafka")}}
    if not PEERS.exists():
        results[0].notes["left out"] = "Quix Streams, bytewax and Faust: `make .venv-peers` installs them"
    return results
