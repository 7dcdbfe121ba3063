"""Ratios to reference programs in the same run. Writes JSON and report.html into .stockpipe/bench."""

import argparse
import json
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import report
from benchmarks.catalog import BENCHMARKS
from benchmarks.harness import GATE, Result, machine, opened
from stockpipe.common.times import to_text
from stockpipe.standalone import paths

FOLDER = paths.RUNS / "bench"


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    names = f"which ones, of {', '.join(BENCHMARKS)} (default: all)"
    parser.add_argument("names", nargs="*", choices=[*BENCHMARKS, []], metavar="NAME", help=names)
    parser.add_argument("--quick", action="store_true", help="fewer records and rounds, as in CI")
    given = parser.parse_args()
    began = datetime.now(UTC)
    results: list[Result] = []
    print(f"{machine()}\n{'':20}    ratio  (least to most)")
    with (
        tempfile.TemporaryDirectory(prefix="stockpipe-bench-") as folder,
        opened(Path(folder), quick=given.quick) as bench,
    ):
        for name in given.names or BENCHMARKS:
            for result in BENCHMARKS[name](bench):
                print("\n".join(result.lines), flush=True)
                results.append(result)
            # What was measured stays, whatever becomes of the next one.
            written = _write(began, results, quick=given.quick)
    print(f"{machine()}\n{written}")
    if failed := [result.name for result in results if not result.passes]:
        print(f"below {GATE:g} of the target: {', '.join(failed)}")
    return len(failed)


def _write(began: datetime, results: list[Result], *, quick: bool) -> Path:
    FOLDER.mkdir(parents=True, exist_ok=True)
    run = {"at": to_text(began), "quick": quick, "machine": machine(), "results": [each.as_dict() for each in results]}
    (FOLDER / f"{began:%Y%m%dT%H%M%S}.json").write_text(json.dumps(run, indent=1))
    found = FOLDER / "report.html"
    found.write_text(report.page(report.load(FOLDER)))
    return found


if __name__ == "__main__":
    sys.exit(main())
