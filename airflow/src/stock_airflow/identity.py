"""Who a run is: a pure function of DAG, logical date and params, so that a run tried again is the same batch."""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Protocol


class Run(Protocol):
    """What a DAG run knows about its time; `logical_date` is None in runs that an asset started."""

    logical_date: datetime | None
    run_after: datetime


def batch_id(dag_id: str, run: Run, params: Mapping[str, Any]) -> str:
    """Return `20261123T143000Z-stock-market-batch-pipeline-1a2b3c4d`, a form that every program takes.

    The last part is the digest of the params: another question at the same logical date is another batch.
    """
    moment = (run.logical_date or run.run_after).astimezone(UTC)
    canonical = json.dumps(dict(params), sort_keys=True, separators=(",", ":"), default=str)
    digest = hashlib.sha256(canonical.encode()).hexdigest()[:8]
    return f"{moment:%Y%m%dT%H%M%SZ}-{dag_id.replace('_', '-')}-{digest}"


MACROS = {"batch_id": batch_id}
"""For templates: `{{ batch_id(dag.dag_id, dag_run, params) }}`."""
BATCH_ID = "{{ batch_id(dag.dag_id, dag_run, params) }}"
