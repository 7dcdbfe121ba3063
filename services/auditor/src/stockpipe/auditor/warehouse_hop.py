"""Processed to warehouse: the newest row of each key is the warehouse's, value by value."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from stockpipe.auditor.findings import Finding, Period
from stockpipe.auditor.processed_hop import Batch, DatasetBooks
from stockpipe.common.contracts.manifests import DatasetName
from stockpipe.common.contracts.tables import Table
from stockpipe.common.lake.processed_rows import file_schema
from stockpipe.common.warehouse.ledger import loaded_batches
from stockpipe.common.warehouse.reader import WarehouseReader

_NAMED = 3


@dataclass(frozen=True)
class _Loaded:
    rows: int
    inserted: int
    updated: int
    stale: int


class WarehouseHop:
    """Audits one table against the batches of the datasets that are loaded into it."""

    def __init__(self, reader: WarehouseReader, table: Table, period: Period) -> None:
        self._reader = reader
        self._table = table
        self._period = period
        self.findings: list[Finding] = []
        self.loaded: list[Batch] = []

    def audit(self, batches: Sequence[Batch], books: Sequence[DatasetBooks]) -> None:
        """Check the ledger, then the rows; `books` are those of the same datasets."""
        ledger = self._ledger()
        by_dataset = {book.dataset: book for book in books}
        for batch in batches:
            manifest = batch.manifest
            entry = ledger.pop((manifest.dataset, manifest.batch_id), None)
            if entry is None:
                by_dataset[manifest.dataset].not_loaded += 1
                continue
            self.loaded.append(batch)
            if entry.rows != manifest.rows_out:
                detail = f"LOADED_BATCHES says {entry.rows} rows, the manifest {manifest.rows_out}"
                self._find(manifest.batch_id, detail, abs(entry.rows - manifest.rows_out))
            if entry.inserted + entry.updated + entry.stale != entry.rows:
                self._find(manifest.batch_id, "LOADED_BATCHES: inserted + updated + stale isn't rows", 1)
        if self._period.is_everything:
            for dataset, batch_id in ledger:
                self._find(batch_id, f"LOADED_BATCHES lists it, {dataset} has no readable manifest of it", 1)
        rows = [
            file_schema(self._table).empty_table(),
            *(batch.rows for batch in self.loaded if batch.rows is not None),
        ]
        self._compare(pa.concat_tables(rows), by_dataset)

    def _ledger(self) -> dict[tuple[str, str], _Loaded]:
        name = self._reader.qualified(loaded_batches(self._table.database))
        found = self._reader.query(f'SELECT dataset, batch_id, "rows", inserted, updated, stale FROM {name}')
        return {
            (row["dataset"], row["batch_id"]): _Loaded(row["rows"], row["inserted"], row["updated"], row["stale"])
            for row in found.rename_columns([column.lower() for column in found.column_names]).to_pylist()
        }

    def _compare(self, loaded: pa.Table, books: Mapping[DatasetName, DatasetBooks]) -> None:
        """Hold every warehouse row against the row of its own batch, and its version against all loaded versions.

        Of two rows of equal version either may stay, and batch and stream differ in the last digits of a mean.
        """
        table = self._table
        columns = ", ".join(table.column_names)
        actual = self._reader.query(f"SELECT {columns} FROM {self._reader.qualified(table)}")
        actual = actual.rename_columns(list(table.column_names)).cast(file_schema(table))
        key = ", ".join(table.key)
        same_key = " AND ".join(f"e.{name} = a.{name}" for name in table.key)
        same = " AND ".join(f"e.{name} IS NOT DISTINCT FROM a.{name}" for name in table.column_names)
        version = ", ".join(f"{name} := {name}" for name in table.version)
        everything = self._period.is_everything
        with duckdb.connect() as engine:
            engine.register("loaded", loaded)
            engine.register("actual", actual)
            engine.execute(
                f"CREATE TABLE newest AS SELECT {key}, MAX(STRUCT_PACK({version})) AS version "
                f"FROM loaded GROUP BY {key}"
            )
            joined = f"newest e JOIN (SELECT *, STRUCT_PACK({version}) AS version FROM actual) a ON {same_key}"
            self._report(engine, f"SELECT {key} FROM newest e ANTI JOIN actual a ON {same_key}", "missing")
            self._report(
                engine,
                f"SELECT {_of('e', table.key)} FROM {joined} WHERE a.version < e.version",
                "older than processed",
            )
            if everything:
                extra = f"SELECT {key} FROM actual a ANTI JOIN loaded e ON {same_key} AND e.batch_id = a.batch_id"
                self._report(engine, extra, "in no loaded batch")
            self._report(
                engine,
                f"SELECT {_of('a', table.key)} FROM actual a JOIN loaded e ON {same_key} AND e.batch_id = a.batch_id "
                f"WHERE NOT ({same})",
                "changed since they were processed",
            )
            twice = f"SELECT {key} FROM actual GROUP BY {key} HAVING COUNT(*) > 1"
            self._report(engine, twice, "there more than once")
            ((rows,),) = engine.execute(f"SELECT COUNT(*) FROM {joined}").fetchall()
        for book in books.values():
            book.warehouse_rows = rows

    def _report(self, engine: duckdb.DuckDBPyConnection, sql: str, what: str) -> None:
        """Make a finding of the keys that `sql` gives."""
        keys = sorted(" ".join(str(part) for part in row) for row in engine.execute(sql).fetchall())
        if keys:
            named = ", ".join(keys[:_NAMED]) + (", ..." if len(keys) > _NAMED else "")
            self._find(f"{self._table.database}.{self._table.name}", f"{len(keys)} rows {what}: {named}", len(keys))

    def _find(self, subject: str, detail: str, count: int) -> None:
        self.findings.append(Finding("processed-warehouse", subject, detail, count))


def _of(alias: str, names: Sequence[str]) -> str:
    return ", ".join(f"{alias}.{name}" for name in names)
