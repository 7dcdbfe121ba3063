"""`python -m benchmarks [NAME …] [--quick]`: prints a ratio a line, writes JSON and a report into .stockpipe/bench."""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import kafka_paths
from benchmarks.harness import machine, opened

BENCHMARKS = {
    "produce": kafka_paths.produce,
    "consume": kafka_paths.consume,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"which ones: {', '.join(BENCHMARKS)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="fewer records and rounds, for CI")
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="stockpipe-bench-") as folder,
        opened(Path(folder), quick=given.quick) as bench,
    ):
        for name in given.names or BENCHMARKS:
            began = time.monotonic()
            for result in BENCHMARKS[name](bench):
                print(result.line, flush=True)
                for side, runs in result.raw.items():
                    print(
                        "   ",
                        side,
                        [f"{r.count / r.seconds / 1000:.0f}k/s {r.cpu / r.count * 1e6:.2f}us" for r in runs],
                    )
            print(f"  ({name}: {time.monotonic() - began:.0f} s; {machine()})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
