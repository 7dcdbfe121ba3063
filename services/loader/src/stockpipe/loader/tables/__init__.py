"""The warehouse's tables as folders of reviewed SQL that runs on every dialect.

A folder holds `ddl.sql`, `merge.sql` and, for a table of batches, `checks.sql`. Names are unqualified: the session
says which database they mean. `:name` stands for a parameter, `BATCH_IN` for the staged batch.
"""

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from stockpipe.common.contracts.tables import DATASETS, Table
from stockpipe.common.warehouse.ledger import DATABASES, loaded_batches
from stockpipe.common.warehouse.quality import data_quality_results
from stockpipe.loader.checks import Check, parse_checks


@dataclass(frozen=True)
class TableSql:
    """A table's contract and its SQL."""

    table: Table
    ddl: str
    merge: str
    checks: tuple[Check, ...]


@cache
def sql_of(table: Table) -> TableSql:
    """Return the SQL of `table`, from its folder."""
    folder = files(__package__) / f"{table.name.lower()}_v1"
    checks = folder / "checks.sql"
    return TableSql(
        table,
        ddl=_statement(folder / "ddl.sql"),
        merge=_statement(folder / "merge.sql"),
        checks=parse_checks(checks.read_text(encoding="utf-8")) if checks.is_file() else (),
    )


def _statement(file: Traversable) -> str:
    """Return the file's statement without its comments, which are for people, and without the semicolon."""
    return re.sub(r"^--.*\n", "", file.read_text(encoding="utf-8"), flags=re.MULTILINE).strip().removesuffix(";")


def all_tables() -> tuple[Table, ...]:
    """Return every table of the warehouse, one database after the other."""
    batches = dict.fromkeys(dataset.table for dataset in DATASETS.values())
    return tuple(
        table
        for database in DATABASES
        for table in (
            *(table for table in batches if table.database == database),
            loaded_batches(database),
            data_quality_results(database),
        )
    )
