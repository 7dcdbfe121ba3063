"""Processed to warehouse: the newest row of each key is the warehouse's, value by value."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from stockpipe.auditor.period import Period
from stockpipe.auditor.processed_hop import Batch, ProcessedHop
from stockpipe.common.contracts.books import DatasetBooks, Finding
from stockpipe.common.contracts.maintenance import BatchRetention
from stockpipe.common.contracts.manifests import DatasetName
from stockpipe.common.contracts.tables import Table
from stockpipe.common.ids import batch_day
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

    def audit(self, hops: Sequence[ProcessedHop]) -> None:
        """Check the ledger, then the rows; `hops` are those of the table's datasets, audited."""
        ledger = self._ledger()
        by_dataset = {hop.books.dataset: hop.books for hop in hops}
        for batch in (batch for hop in hops for batch in hop.batches):
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
        retired: set[str] = set()
        if self._period.is_everything:
            for hop in hops:
                if hop.retired:
                    retired |= self._audit_mark(hop.retired, ledger)
            for dataset, batch_id in ledger:
                self._find(batch_id, f"LOADED_BATCHES lists it, {dataset} has no readable manifest of it", 1)
        rows = [
            file_schema(self._table).empty_table(),
            *(batch.rows for batch in self.loaded if batch.rows is not None),
        ]
        self._compare(pa.concat_tables(rows), retired, by_dataset)

    def _audit_mark(self, mark: BatchRetention, ledger: dict[tuple[str, str], _Loaded]) -> set[str]:
        """Take the batches that retention removed out of the ledger's rest and return them.

        The mark has no list of them, only totals: any batch up to its day that has no manifest must be one of them.
        """
        until = date.fromisoformat(mark.until)
        found = {
            batch_id: ledger.pop((dataset, batch_id))
            for dataset, batch_id in list(ledger)
            if dataset == mark.dataset and batch_day(batch_id) <= until
        }
        rows = sum(entry.rows for entry in found.values())
        if (len(found), rows) != (mark.batches, mark.rows):
            detail = (
                f"LOADED_BATCHES lists {len(found)} batches with {rows} rows of days up to {until} that have no "
                f"manifest, retention removed {mark.batches} with {mark.rows}"
            )
            self._find(mark.dataset, detail, max(1, abs(rows - mark.rows)))
        return set(found)

    def _ledger(self) -> dict[tuple[str, str], _Loaded]:
        name = self._reader.qualified(loaded_batches(self._table.database))
        found = self._reader.query(f'SELECT dataset, batch_id, "rows", inserted, updated, stale FROM {name}')
        return {
            (row["dataset"], row["batch_id"]): _Loaded(row["rows"], row["inserted"], row["updated"], row["stale"])
            for row in found.rename_columns([column.lower() for column in found.column_names]).to_pylist()
        }

    def _compare(self, loaded: pa.Table, retired: set[str], books: Mapping[DatasetName, DatasetBooks]) -> None:
        """Hold every warehouse row against the row of its own batch, and its version against all loaded versions.

        Rows of `retired` batches have nothing left in the lake to be held against. Of two rows of equal version either
        may stay, and batch and stream differ in the last digits of a mean.
        """
        table = self._table
        actual = self._actual(loaded)
        key = ", ".join(table.key)
        same_key = " AND ".join(f"e.{name} = a.{name}" for name in table.key)
        same = " AND ".join(f"e.{name} IS NOT DISTINCT FROM a.{name}" for name in table.column_names)
        version = ", ".join(f"{name} := {name}" for name in table.version)
        everything = self._period.is_everything
        with duckdb.connect() as engine:
            engine.register("loaded", loaded)
            engine.register("actual", actual)
            engine.register("retired", pa.table({"batch_id": pa.array(sorted(retired), pa.string())}))
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
                extra = (
                    f"SELECT {key} FROM actual a ANTI JOIN loaded e ON {same_key} AND e.batch_id = a.batch_id "
                    "WHERE a.batch_id NOT IN (SELECT batch_id FROM retired)"
                )
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

    def _actual(self, loaded: pa.Table) -> pa.Table:
        """Return the warehouse's rows: all, or for a period those that its batches can have touched."""
        table = self._table
        columns = ", ".join(table.column_names)
        sql = f"SELECT {columns} FROM {self._reader.qualified(table)}"
        parameters: list[Any] = []
        if not self._period.is_everything:
            moment = table.key[1]
            ends = pc.min_max(loaded[moment]).as_py() if loaded.num_rows else None
            sql += f" WHERE {moment} BETWEEN ? AND ?" if ends else " WHERE 1 = 0"
            parameters = [ends["min"], ends["max"]] if ends else []
        found = self._reader.query(sql, parameters)
        return found.rename_columns(list(table.column_names)).cast(file_schema(table))

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
