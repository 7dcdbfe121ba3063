"""`stockpipe-standalone`."""

from stockpipe.common.cli import Command, run_program
from stockpipe.standalone.demo import run_demo
from stockpipe.standalone.settings import DemoSettings, UpSettings
from stockpipe.standalone.setup import LockSettings, SetupSettings, run_lock, run_setup
from stockpipe.standalone.up import run_up


def main() -> None:
    """Run the program."""
    run_program(
        "stockpipe-standalone",
        {
            "demo": Command(DemoSettings, run_demo),
            "up": Command(UpSettings, run_up),
            "setup": Command(SetupSettings, run_setup),
            "lock-jars": Command(LockSettings, run_lock),
        },
    )
