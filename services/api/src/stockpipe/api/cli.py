"""`stockpipe-api`."""

import sys
from typing import Any

from stockpipe.api.keys import ApiKeys
from stockpipe.api.settings import CreateKeySettings, ListKeysSettings, RevokeKeySettings, ServeSettings
from stockpipe.common.cli import Command, run_program
from stockpipe.common.clock import SystemClock
from stockpipe.common.lake.open import open_lake


def serve(settings: ServeSettings) -> int:
    """Run the command and return its exit code."""
    from stockpipe.api.serve import run_serve  # the web framework takes a second to import; keys need none

    return run_serve(settings)


def create_key(settings: CreateKeySettings) -> int:
    """Run the command and return its exit code."""
    record, key = ApiKeys(open_lake(settings)).create(settings.name, settings.role, SystemClock())
    print(f"key {record.id} of {record.name!r}, role {record.role}; it is shown only now:", file=sys.stderr)
    print(key)
    return 0


def list_keys(settings: ListKeysSettings) -> int:
    """Run the command and return its exit code."""
    for record in ApiKeys(open_lake(settings)).list():
        print(f"{record.id}  {record.role:<8}  {record.created_at}  {record.name}")
    return 0


def revoke_key(settings: RevokeKeySettings) -> int:
    """Run the command and return its exit code."""
    record = ApiKeys(open_lake(settings)).revoke(settings.id)
    print(f"key {record.id} of {record.name!r} is revoked")
    return 0


def main() -> None:
    """Run the program."""
    if sys.argv[1:2] == ["keys"]:
        commands: dict[str, Command[Any]] = {
            "create": Command(CreateKeySettings, create_key),
            "list": Command(ListKeysSettings, list_keys),
            "revoke": Command(RevokeKeySettings, revoke_key),
        }
        run_program("stockpipe-api keys", commands, sys.argv[2:])
    run_program("stockpipe-api", {"serve": Command(ServeSettings, serve), "keys": Command(ListKeysSettings, list_keys)})
