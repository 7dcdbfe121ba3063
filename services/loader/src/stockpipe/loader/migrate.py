"""Creates the warehouse's tables and adds columns that the contract gained; never removes or changes one."""

from dataclasses import dataclass

from stockpipe.common.contracts.tables import Column, Table
from stockpipe.common.errors import PipelineError
from stockpipe.common.warehouse.ledger import DATABASES
from stockpipe.loader.tables import all_tables, sql_of
from stockpipe.loader.warehouse import Session


class SchemaConflict(PipelineError):
    """A table's column has another type than the contract says."""


class SchemaOutdated(PipelineError):
    """A table or column of the contract is missing."""


@dataclass(frozen=True)
class Difference:
    """How a table of the warehouse differs from its contract."""

    table: Table
    absent: bool
    missing: tuple[Column, ...]
    unknown: tuple[str, ...]
    conflicts: tuple[str, ...]

    @property
    def name(self) -> str:
        """Return the table's name with its database."""
        return f"{self.table.database}.{self.table.name}"


def compare(session: Session, table: Table) -> Difference:
    """Return how the table differs from its contract."""
    actual = session.columns(table)
    missing = tuple(column for column in table.columns if column.name not in actual)
    conflicts = tuple(
        f"{table.database}.{table.name}.{column.name} is {actual[column.name]}, the contract says {expected}"
        for column in table.columns
        if column.name in actual and actual[column.name] != (expected := session.native_type(column.type))
    )
    unknown = tuple(name for name in actual if name not in table.column_names)
    return Difference(table, not actual, missing, unknown, conflicts)


def require_current(session: Session) -> None:
    """Make sure that batches can be loaded.

    Raises:
        SchemaOutdated: a table or column is missing.
    """
    differences = [compare(session, table) for table in all_tables()]
    missing = [difference.name for difference in differences if difference.absent]
    missing += [f"{d.name}.{column.name}" for d in differences if not d.absent for column in d.missing]
    if missing:
        raise SchemaOutdated(f"the warehouse lacks {', '.join(missing)}; run `stockpipe-loader migrate`")


def migrate(session: Session) -> list[str]:
    """Bring every table up to its contract and return a line for each thing done or left alone.

    Raises:
        SchemaConflict: names every column of another type; nothing was changed.
    """
    differences = [compare(session, table) for table in all_tables()]
    conflicts = [conflict for difference in differences for conflict in difference.conflicts]
    if conflicts:
        raise SchemaConflict(f"types differ, nothing was changed: {'; '.join(conflicts)}")
    for database in DATABASES:
        session.create_database(database)
    return [line for difference in differences for line in _apply(session, difference)]


def _apply(session: Session, difference: Difference) -> list[str]:
    session.use(difference.table.database)
    if difference.absent:
        session.execute(sql_of(difference.table).ddl)
        return [f"{difference.name}: created"]
    lines = []
    for column in difference.missing:
        type_ = session.native_type(column.type)
        session.execute(f"ALTER TABLE {difference.table.name} ADD COLUMN {column.name} {type_}")
        lines.append(f"{difference.name}: added column {column.name} {type_}")
    if difference.unknown:
        lines.append(f"{difference.name}: left alone, unknown to the contract: {', '.join(difference.unknown)}")
    return lines or [f"{difference.name}: up to date"]
