"""The reviewed SQL says what the contract says: columns, types, key, version."""

import itertools
import re

import duckdb
import pytest

from stockpipe.common.contracts.tables import DATASETS, Table
from stockpipe.common.warehouse.ledger import loaded_batches
from stockpipe.common.warehouse.quality import data_quality_results
from stockpipe.loader.duckdb_warehouse import _NATIVE
from stockpipe.loader.tables import sql_of
from stockpipe.loader.warehouse import bind

BATCH_TABLES = tuple({dataset.table.name: dataset.table for dataset in DATASETS.values()}.values())
ALL_TABLES = (*BATCH_TABLES, loaded_batches("STOCKMARKETBATCH"), data_quality_results("STOCKMARKETBATCH"))


def names_in(text: str) -> list[str]:
    return [name.strip().strip('"') for name in text.split(",")]


def parsed_merge(table: Table) -> dict[str, str]:
    merge = sql_of(table).merge
    match = re.fullmatch(
        r"MERGE INTO (?P<target>\w+) t\s+USING (?P<source>.+?)\s*s\s+ON (?P<key>.+?)\s+"
        r"(?:WHEN MATCHED AND \((?P<guard>.+?)\) THEN UPDATE SET\s+(?P<updates>.+?)\s+)?"
        r"WHEN NOT MATCHED THEN INSERT \((?P<columns>.+?)\) VALUES \((?P<values>.+?)\)",
        merge,
        re.DOTALL,
    )
    assert match, merge
    return match.groupdict()


@pytest.mark.parametrize("table", ALL_TABLES, ids=lambda table: table.name)
def test_the_ddl_makes_the_contract_s_columns(table: Table) -> None:
    with duckdb.connect(":memory:") as connection:
        connection.execute(sql_of(table).ddl)
        found = connection.execute(
            "SELECT column_name, data_type, is_nullable = 'YES' FROM information_schema.columns "
            "WHERE table_name = ? ORDER BY ordinal_position",
            [table.name],
        ).fetchall()
    assert found == [(column.name, _NATIVE[column.type], column.nullable) for column in table.columns]


@pytest.mark.parametrize("table", ALL_TABLES, ids=lambda table: table.name)
def test_the_merge_inserts_every_column_and_matches_the_key(table: Table) -> None:
    merge = parsed_merge(table)
    assert merge["target"] == table.name
    assert re.split(r"\s+AND\s+", merge["key"]) == [f"s.{name} = t.{name}" for name in table.key]
    assert names_in(merge["columns"]) == list(table.column_names)
    assert [value.replace('"', "") for value in names_in(merge["values"])] == [f"s.{n}" for n in table.column_names]


@pytest.mark.parametrize("table", BATCH_TABLES, ids=lambda table: table.name)
def test_the_merge_updates_every_column_outside_the_key(table: Table) -> None:
    merge = parsed_merge(table)
    assert merge["source"] == "BATCH_IN"
    rest = [name for name in table.column_names if name not in table.key]
    assert names_in(merge["updates"]) == [f"{name} = s.{name}" for name in rest]


@pytest.mark.parametrize("table", BATCH_TABLES, ids=lambda table: table.name)
def test_the_guard_is_strictly_greater_in_the_version_s_order(table: Table) -> None:
    guard = parsed_merge(table)["guard"]
    versions = list(itertools.product((1, 2, 3), repeat=len(table.version)))
    columns = ", ".join(table.version)
    rows = ", ".join(str(version) for version in versions)
    with duckdb.connect(":memory:") as connection:
        connection.execute(f"CREATE TABLE v AS SELECT * FROM (VALUES {rows}) r({columns})")
        found = connection.execute(
            f"SELECT {', '.join(f's.{n}' for n in table.version)}, {', '.join(f't.{n}' for n in table.version)} "
            f"FROM v s, v t WHERE {guard}"
        ).fetchall()
    assert set(found) == {(*new, *old) for new in versions for old in versions if new > old}


@pytest.mark.parametrize("table", ALL_TABLES, ids=lambda table: table.name)
def test_the_sql_names_no_database_and_no_dialect(table: Table) -> None:
    sql = sql_of(table)
    text = "\n".join([sql.ddl, sql.merge, *(check.sql for check in sql.checks)])
    assert table.database not in text
    assert "%" not in text
    assert "::" not in text
    assert not re.search(r"\b(QUALIFY|STRUCT|TEXT|HUGEINT|STAR|EXCLUDE|EPOCH\w*|PRIMARY)\b", text, re.IGNORECASE)


@pytest.mark.parametrize("table", ALL_TABLES, ids=lambda table: table.name)
def test_the_sql_needs_only_parameters_the_loader_gives(table: Table) -> None:
    sql = sql_of(table)
    given = dict.fromkeys(("loaded_at", "missing_sessions") if sql.checks else table.column_names, "x")
    for statement in (sql.ddl, sql.merge, *(check.sql for check in sql.checks)):
        bind(statement, given, lambda name: f"${name}")


def test_a_parameter_is_bound_by_name_and_nothing_else_is_taken_for_one() -> None:
    sql, values = bind(
        "SELECT :loaded_at, x::int, '12:30:00' WHERE a = :loaded_at", {"loaded_at": "v", "other": 1}, lambda n: f"${n}"
    )
    assert sql == "SELECT $loaded_at, x::int, '12:30:00' WHERE a = $loaded_at"
    assert values == {"loaded_at": "v"}
