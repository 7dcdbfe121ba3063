"""What the checks found, in DATA_QUALITY_RESULTS."""

from collections.abc import Sequence
from datetime import datetime

from stockpipe.common.contracts.manifests import ProcessedManifest
from stockpipe.common.contracts.tables import DATASETS
from stockpipe.common.warehouse.quality import data_quality_results
from stockpipe.loader.checks import Result
from stockpipe.loader.tables import sql_of
from stockpipe.loader.warehouse import Session, Value

_OF_BATCH = "FROM DATA_QUALITY_RESULTS WHERE dataset = :dataset AND batch_id = :batch_id"

_SAMPLE = "('name', 'warn', 0, 'passed')"


def write_results(session: Session, manifest: ProcessedManifest, results: Sequence[Result], now: datetime) -> None:
    """Write one row a check, within the caller's transaction; `now` is UTC without a zone.

    Of a micro-batch only the checks that found something are kept, unless an earlier try left rows: there are ten
    thousand micro-batches a day.
    """
    batch: dict[str, Value] = {"dataset": manifest.dataset, "batch_id": manifest.batch_id}
    if manifest.dataset == "realtime_live":
        ((before,),) = session.fetch(f"SELECT COUNT(*) {_OF_BATCH}", batch)
        results = [result for result in results if before or result.rows]
    if not results:
        return
    merge = sql_of(data_quality_results(DATASETS[manifest.dataset].table.database)).merge
    rows = ", ".join(f"('{each.check}', '{each.level}', {each.rows}, '{each.status}')" for each in results)
    session.execute(merge.replace(_SAMPLE, rows), batch | {"checked_at": now})


def read_results(session: Session, manifest: ProcessedManifest) -> tuple[Result, ...]:
    """Return what was written of the batch, by the checks' names."""
    found = session.fetch(
        f'SELECT check_name, severity, "rows" {_OF_BATCH} ORDER BY check_name',
        {"dataset": manifest.dataset, "batch_id": manifest.batch_id},
    )
    return tuple(Result(check, level, rows) for check, level, rows in found)
