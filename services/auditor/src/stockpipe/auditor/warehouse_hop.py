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
_NOT_COMPARED = ("batch_id", "processed_at")
"""Of two rows of equal version either may stay; they differ in these alone."""


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
        columns = ", ".join(self._table.column_names)
        actual = self._reader.query(f"SELECT {columns} FROM {self._reader.qualified(self._table)}")
        actual = actual.rename_columns(list(self._table.column_names)).cast(file_schema(self._table))
        key, version = ", ".join(self._table.key), ", ".join(f"{name} DESC" for name in self._table.version)
        joined = " AND ".join(f"e.{name} = a.{name}" for name in self._table.key)
        newer = f"({_row('a', self._table.version)}) > ({_row('e', self._table.version)})"
        same = " AND ".join(
            f"e.{name} IS NOT DISTINCT FROM a.{name}" for name in self._table.column_names if name not in _NOT_COMPARED
        )
        with duckdb.connect() as engine:
            engine.register("loaded", loaded)
            engine.register("actual", actual)
            engine.execute(
                f"CREATE TABLE expected AS SELECT * FROM loaded "
                f"QUALIFY ROW_NUMBER() OVER (PARTITION BY {key} ORDER BY {version}) = 1"
            )
            missing = self._keys(engine, f"SELECT {key} FROM expected e ANTI JOIN actual a ON {joined}")
            changed = self._keys(
                engine,
                f"SELECT {_row('e', self._table.key)} FROM expected e JOIN actual a ON {joined} "
                f"WHERE NOT ({same}) AND NOT ({newer} AND {str(not self._period.is_everything).upper()})",
            )
            twice = self._keys(engine, f"SELECT {key} FROM actual GROUP BY {key} HAVING COUNT(*) > 1")
            self._report(missing, "missing in the warehouse")
            self._report(changed, "differ from the newest processed row")
            self._report(twice, "there more than once")
            if self._period.is_everything:
                extra = self._keys(engine, f"SELECT {key} FROM actual a ANTI JOIN expected e ON {joined}")
                self._report(extra, "in no loaded batch")
            ((rows,),) = engine.execute(f"SELECT COUNT(*) FROM actual a SEMI JOIN expected e ON {joined}").fetchall()
        for book in books.values():
            book.warehouse_rows = rows

    @staticmethod
    def _keys(engine: duckdb.DuckDBPyConnection, sql: str) -> list[str]:
        return sorted(" ".join(str(part) for part in row) for row in engine.execute(sql).fetchall())

    def _report(self, keys: Sequence[str], what: str) -> None:
        if keys:
            named = ", ".join(keys[:_NAMED]) + (", ..." if len(keys) > _NAMED else "")
            self._find(f"{self._table.database}.{self._table.name}", f"{len(keys)} rows {what}: {named}", len(keys))

    def _find(self, subject: str, detail: str, count: int) -> None:
        self.findings.append(Finding("processed-warehouse", subject, detail, count))


def _row(alias: str, names: Sequence[str]) -> str:
    return ", ".join(f"{alias}.{name}" for name in names)
