"""Loads one batch: the order of steps that makes a load safe to repeat, the same for every dialect.

    stage the files → check them → one transaction { look again, merge, record the batch }

A crash before COMMIT leaves nothing but a temporary table, which ends with the connection. After COMMIT the batch is
recorded, so a repetition finds it and stops.
"""

from datetime import UTC, datetime
from pathlib import Path

import msgspec

from stockpipe.common.clock import Clock
from stockpipe.common.contracts.manifests import DatasetName, ProcessedManifest
from stockpipe.common.contracts.tables import DATASETS
from stockpipe.common.errors import PipelineError
from stockpipe.common.lake.store import ObjectStore
from stockpipe.common.warehouse.ledger import loaded_batches
from stockpipe.loader.checks import run_checks
from stockpipe.loader.staging import staged_file
from stockpipe.loader.tables import sql_of
from stockpipe.loader.warehouse import Session, Value


class LoadResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a load did. `inserted + updated + stale = rows`; `warnings` are the rows each warn check found.

    Of a batch that was loaded before, the counts are those of that load.
    """

    dataset: DatasetName
    batch_id: str
    already_loaded: bool
    files: int
    rows: int
    inserted: int
    updated: int
    stale: int
    warnings: dict[str, int] = {}


class _LoadedByAnother(Exception):
    """Another loader recorded the batch while this one merged it."""


def load_batch(
    session: Session, store: ObjectStore, manifest: ProcessedManifest, clock: Clock, scratch: Path | None = None
) -> LoadResult:
    """Load the batch unless it is loaded; all of it or nothing.

    Raises:
        BatchDamaged: the files aren't what the manifest says.
        ChecksFailed: rows break a check of level fail.
        Unavailable: the store or the warehouse can't be reached.
    """
    table = DATASETS[manifest.dataset].table
    session.use(table.database)
    if earlier := _recorded(session, manifest):
        return earlier
    with staged_file(store, manifest, table, scratch) as path:
        session.stage(table, path)
    warnings = run_checks(session, table, sql_of(table).checks, manifest.rows_out, {"loaded_at": _now(clock)})
    try:
        with session.transaction():
            return _merge_and_record(session, manifest, warnings, clock)
    except _LoadedByAnother:
        earlier = _recorded(session, manifest)
    if earlier is None:
        raise PipelineError(f"batch {manifest.batch_id} of {manifest.dataset}: another loader's record of it vanished")
    return earlier


def _merge_and_record(
    session: Session, manifest: ProcessedManifest, warnings: dict[str, int], clock: Clock
) -> LoadResult:
    if _recorded(session, manifest):
        raise _LoadedByAnother
    table = DATASETS[manifest.dataset].table
    merged = session.merge(table, sql_of(table).merge)
    result = LoadResult(
        dataset=manifest.dataset,
        batch_id=manifest.batch_id,
        already_loaded=False,
        files=len(manifest.files),
        rows=manifest.rows_out,
        inserted=merged.inserted,
        updated=merged.updated,
        stale=manifest.rows_out - merged.inserted - merged.updated,
        warnings=warnings,
    )
    _record(session, result, _now(clock))
    return result


def _recorded(session: Session, manifest: ProcessedManifest) -> LoadResult | None:
    """Return the recorded load of the batch, None if it wasn't loaded."""
    rows = session.fetch(
        'SELECT files, "rows", inserted, updated, stale FROM LOADED_BATCHES '
        "WHERE dataset = :dataset AND batch_id = :batch_id",
        {"dataset": manifest.dataset, "batch_id": manifest.batch_id},
    )
    if not rows:
        return None
    files, count, inserted, updated, stale = rows[0]
    return LoadResult(
        dataset=manifest.dataset,
        batch_id=manifest.batch_id,
        already_loaded=True,
        files=files,
        rows=count,
        inserted=inserted,
        updated=updated,
        stale=stale,
    )


def _record(session: Session, result: LoadResult, loaded_at: datetime) -> None:
    ledger = loaded_batches(DATASETS[result.dataset].table.database)
    values: dict[str, Value] = {
        "dataset": result.dataset,
        "batch_id": result.batch_id,
        "files": result.files,
        "rows": result.rows,
        "inserted": result.inserted,
        "updated": result.updated,
        "stale": result.stale,
        "loaded_at": loaded_at,
    }
    if session.merge(ledger, sql_of(ledger).merge, values).inserted != 1:
        raise _LoadedByAnother


def _now(clock: Clock) -> datetime:
    return clock.now().astimezone(UTC).replace(tzinfo=None)
