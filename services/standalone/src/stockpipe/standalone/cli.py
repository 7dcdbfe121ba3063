"""`stockpipe-standalone`."""

from stockpipe.common.cli import Command, run_program
from stockpipe.standalone.demo import run_demo
from stockpipe.standalone.settings import DemoSettings, UpSettings
from stockpipe.standalone.setup import (
    LockSettings,
    MinioSettings,
    SetupSettings,
    run_lock,
    run_minio,
    run_setup,
)
from stockpipe.standalone.up import run_up


def main() -> None:
    """Run the program."""
    run_program(
        "stockpipe-standalone",
        {
            "demo": Command(DemoSettings, run_demo),
            "up": Command(UpSettings, run_up),
            "setup": Command(SetupSettings, run_setup),
            "setup-minio": Command(MinioSettings, run_minio),
            "lock-jars": Command(LockSettings, run_lock),
        },
    )
