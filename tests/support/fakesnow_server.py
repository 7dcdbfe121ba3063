"""Starts fakesnow on a port, with two things mended that fakesnow 0.12.1 does otherwise than Snowflake.

Runs in fakesnow's own environment: `fakesnow_server.py PORT`.

- MERGE in a transaction: fakesnow makes a temporary table for it and notes that table's comment, None, in a database of
  its own, but DuckDB lets a transaction write to one database only.
- Locks: UPDATE, DELETE and MERGE hold their table until the transaction ends, and another such statement on it waits
  and then sees what was committed, where DuckDB would fail or go on with what it saw at BEGIN. A transaction that
  blocks another one and has been idle is rolled back; after 5 minutes in Snowflake, after IDLE_SECONDS here.
"""

import re
import sys
import threading
import time
from typing import Any

from fakesnow import cli, info_schema
from fakesnow.cursor import FakeSnowflakeCursor

IDLE_SECONDS = 3.0

_WRITES = re.compile(r"\s*(?:MERGE\s+INTO|UPDATE|DELETE\s+FROM)\s+(\S+)", re.IGNORECASE)
_changed = threading.Condition()
_holders: dict[str, Any] = {}
_in_transaction: set[Any] = set()
_last_active: dict[Any, float] = {}

execute = FakeSnowflakeCursor.execute


def locking_execute(cursor: Any, command: str, *arguments: Any, **more: Any) -> Any:
    connection = cursor._conn
    if not more.get("server"):
        return execute(cursor, command, *arguments, **more)
    word = command.split(maxsplit=1)[0].upper()
    if written := _WRITES.match(command):
        _lock(f"{connection.database}.{connection.schema}.{written[1]}".upper(), connection)
    _last_active[connection] = float("inf")
    try:
        return execute(cursor, command, *arguments, **more)
    finally:
        _last_active[connection] = time.monotonic()
        if word == "BEGIN":
            _in_transaction.add(connection)
        elif word in ("COMMIT", "ROLLBACK") or connection not in _in_transaction:
            _release(connection)


def _lock(table: str, connection: Any) -> None:
    with _changed:
        while (holder := _holders.get(table)) not in (None, connection):
            if time.monotonic() - _last_active[holder] > IDLE_SECONDS:
                execute(holder.cursor(), "ROLLBACK")
                _release(holder)
            _changed.wait(0.05)
        if connection in _in_transaction and connection not in _holders.values():
            connection._duck_conn.rollback()
            connection._duck_conn.begin()
        _holders[table] = connection


def _release(connection: Any) -> None:
    with _changed:
        _in_transaction.discard(connection)
        for table in [table for table, holder in _holders.items() if holder is connection]:
            del _holders[table]
        _changed.notify_all()


note_comment = info_schema.insert_table_comment_sql


def note_comment_unless_none(catalog: str, schema: str, table: str, comment: str | None) -> str:
    return note_comment(catalog, schema, table, comment) if comment is not None else "SELECT 1"


if __name__ == "__main__":
    FakeSnowflakeCursor.execute = locking_execute
    info_schema.insert_table_comment_sql = note_comment_unless_none
    sys.exit(cli.main(["-s", "-p", sys.argv[1]]))
