"""Our SQL is Snowflake's, as far as sqlglot's grammar of it goes; nothing here ran on a real account."""

import logging
from pathlib import Path

import pytest
import sqlglot
from sqlglot import exp

from stockpipe.loader.tables import TableSql, all_tables, sql_of
from stockpipe.loader.warehouse import bind

PROVISION = sorted((Path(__file__).parents[2] / "services/loader/provision/snowflake").glob("*.sql"))

NOT_LOOKED_INTO = {"ALTER", "CREATE", "DROP", "GRANT"}
"""Statements about users, roles, warehouses and their monitors, which sqlglot takes as they are."""


@pytest.mark.parametrize("sql", [sql_of(table) for table in all_tables()], ids=lambda sql: sql.table.name)
def test_every_statement_of_a_table_parses(sql: TableSql) -> None:
    given = dict.fromkeys((*sql.table.column_names, "loaded_at", "missing_sessions"), "x")
    for text in (sql.ddl, sql.merge, *(check.sql for check in sql.checks)):
        statement, _ = bind(text, given, lambda _name: "?")
        (parsed,) = sqlglot.parse(statement, read="snowflake")
        assert isinstance(parsed, exp.Create | exp.Merge | exp.Select)


@pytest.mark.parametrize("file", PROVISION, ids=lambda file: file.name)
def test_every_provisioning_statement_parses(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    statements = [statement for statement in sqlglot.parse(file.read_text(), read="snowflake") if statement]
    taken = {statement.name.upper() for statement in statements if isinstance(statement, exp.Command)}
    assert len(statements) > 2
    assert taken <= NOT_LOOKED_INTO


def test_provisioning_never_holds_a_password() -> None:
    assert len(PROVISION) == 5
    for file in PROVISION:
        assert "PASSWORD" not in file.read_text().replace("can't have a password", "").upper(), file
