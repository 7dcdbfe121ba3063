"""`stockpipe-standalone`."""

from stockpipe.common.cli import Command, run_program
from stockpipe.standalone.setup import LockSettings, SetupSettings, run_lock, run_setup


def main() -> None:
    """Run the program."""
    run_program(
        "stockpipe-standalone",
        {"setup": Command(SetupSettings, run_setup), "lock-jars": Command(LockSettings, run_lock)},
    )
