"""The last line that a job prints: its result as one JSON object."""

import json
import sys
from typing import Any

from stockpipe.common.contracts.manifests import ProcessedManifest


def batch_summary(manifest: ProcessedManifest, *, seconds: float, already_committed: bool = False) -> dict[str, Any]:
    """Return the summary of a committed batch; `seconds` is what this run took."""
    return {
        "batch_id": manifest.batch_id,
        "rows_in": manifest.rows_in,
        "rows_dropped": manifest.rows_dropped,
        "rows_out": manifest.rows_out,
        "files": len(manifest.files),
        "seconds": round(seconds, 3),
        "already_committed": already_committed,
    }


def print_summary(summary: dict[str, Any]) -> None:
    """Print the summary on standard output."""
    sys.stdout.write(json.dumps(summary) + "\n")
    sys.stdout.flush()
