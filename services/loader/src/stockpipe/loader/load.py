"""Loads one batch: the order of steps that makes a load safe to repeat, the same for every dialect.

    stage the rows → check them → one transaction { record the batch, merge, write results and counts, look again }

A crash before COMMIT leaves nothing but a temporary table, which ends with the connection. After COMMIT the batch is
recorded, so a repetition finds it and stops.

Two loaders of one batch can't both commit, even if the warehouse reads what others commit in the middle of a
transaction and holds no unique keys, as Snowflake does: writing the counts updates the record, so it takes the lock of
LOADED_BATCHES until COMMIT, and the look after it is a statement of its own. Who gets the lock second therefore sees
the record of the first, and rolls back. Everyone writes LOADED_BATCHES, the batch's table and DATA_QUALITY_RESULTS in
this order.
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
from stockpipe.loader.checks import ChecksFailed, Result, run_checks
from stockpipe.loader.quality import read_results, write_results
from stockpipe.loader.staging import Incoming
from stockpipe.loader.tables import sql_of
from stockpipe.loader.warehouse import Session, Value

_OF_BATCH = "FROM LOADED_BATCHES WHERE dataset = :dataset AND batch_id = :batch_id"
_WRITE_COUNTS = (
    "UPDATE LOADED_BATCHES SET inserted = :inserted, updated = :updated, stale = :stale "
    "WHERE dataset = :dataset AND batch_id = :batch_id"
)


class LoadResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a load did. `inserted + updated + stale = rows`; `checks` by name.

    Of a batch that was loaded before, counts and checks are those of that load.
    """

    dataset: DatasetName
    batch_id: str
    already_loaded: bool
    files: int
    rows: int
    inserted: int
    updated: int
    stale: int
    checks: tuple[Result, ...]

    @property
    def warnings(self) -> dict[str, int]:
        """Return the rows that each warn check found."""
        return {each.check: each.rows for each in self.checks if each.status == "warned"}


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
    session.label(dataset=manifest.dataset, batch_id=manifest.batch_id)
    session.use(table.database)
    if earlier := _recorded(session, manifest):
        return earlier
    session.stage(Incoming(store, manifest, scratch))
    results = _checked(session, manifest, clock)
    try:
        with session.transaction():
            return _merge_and_record(session, manifest, results, clock)
    except _LoadedByAnother:
        earlier = _recorded(session, manifest)
    if earlier is None:
        raise PipelineError(f"batch {manifest.batch_id} of {manifest.dataset}: another loader's record of it vanished")
    return earlier


def _checked(session: Session, manifest: ProcessedManifest, clock: Clock) -> tuple[Result, ...]:
    """Check the staged batch; what a refused one broke is written down at once."""
    table = DATASETS[manifest.dataset].table
    now = _now(clock)
    try:
        return run_checks(session, table, sql_of(table).checks, manifest.rows_out, {"loaded_at": now})
    except ChecksFailed as failed:
        with session.transaction():
            write_results(session, manifest, failed.results, now)
        raise


def _merge_and_record(
    session: Session, manifest: ProcessedManifest, results: tuple[Result, ...], clock: Clock
) -> LoadResult:
    table = DATASETS[manifest.dataset].table
    ledger = loaded_batches(table.database)
    batch: dict[str, Value] = {"dataset": manifest.dataset, "batch_id": manifest.batch_id}
    about: dict[str, Value] = {"files": len(manifest.files), "rows": manifest.rows_out, "loaded_at": _now(clock)}
    claim = session.merge(ledger, sql_of(ledger).merge, batch | about | {"inserted": 0, "updated": 0, "stale": 0})
    if claim.inserted != 1:
        raise _LoadedByAnother
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
        checks=tuple(sorted(results, key=lambda each: each.check)),
    )
    write_results(session, manifest, results, _now(clock))
    counts: dict[str, Value] = {"inserted": result.inserted, "updated": result.updated, "stale": result.stale}
    session.execute(_WRITE_COUNTS, batch | counts)
    ((records,),) = session.fetch(f"SELECT COUNT(*) {_OF_BATCH}", batch)
    if records != 1:
        raise _LoadedByAnother
    return result


def _recorded(session: Session, manifest: ProcessedManifest) -> LoadResult | None:
    """Return the recorded load of the batch, None if it wasn't loaded."""
    rows = session.fetch(
        f'SELECT files, "rows", inserted, updated, stale {_OF_BATCH}',
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
        checks=read_results(session, manifest),
    )


def _now(clock: Clock) -> datetime:
    return clock.now().astimezone(UTC).replace(tzinfo=None)
