"""A broker for the DAGs' tests, by the pipeline's own environment: `.venv/bin/python stack.py FOLDER`.

Prints the environment that the programs need as one line of JSON, then makes topics for each name it reads, and stops
at the end of its input.
"""

import sys
from pathlib import Path

from stockpipe.common.clock import SystemClock
from stockpipe.standalone.pipeline import running_pipeline
from stockpipe.standalone.run_folder import RunFolder

TELL = "import json, os; print(json.dumps(dict(os.environ)))"


def tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    folder = RunFolder(Path(sys.argv[1]))
    for each in (folder.log("x").parent, folder.scratch):
        each.mkdir(parents=True)
    with running_pipeline(folder, SystemClock()) as pipeline:
        tell(pipeline.run("environment", [sys.executable, "-c", TELL]).strip().splitlines()[-1])
        for line in sys.stdin:
            pipeline.broker.create_topics(*(f"{line.strip()}-{kind}" for kind in ("realtime", "batch", "actions")))
            tell("made")


main()
