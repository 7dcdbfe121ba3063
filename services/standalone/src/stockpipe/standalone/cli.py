"""`stockpipe-standalone`."""

from stockpipe.common.cli import Command, run_program
from stockpipe.standalone.demo import DemoRun, run_demo
from stockpipe.standalone.settings import DemoSettings, UpSettings
from stockpipe.standalone.setup import (
    HelmSettings,
    LockSettings,
    MinioSettings,
    PrometheusSettings,
    SetupSettings,
    run_helm,
    run_lock,
    run_minio,
    run_prometheus,
    run_setup,
)
from stockpipe.standalone.up import run_up
from stockpipe.standalone.yahoo import YahooDemoRun, require_yahoo


def demo(settings: DemoSettings) -> int:
    """Run the demo on the source that is chosen."""
    if settings.source == "yahoo":
        return run_demo(settings, YahooDemoRun, require_yahoo)
    return run_demo(settings, DemoRun, lambda _folder: None)


def main() -> None:
    """Run the program."""
    run_program(
        "stockpipe-standalone",
        {
            "demo": Command(DemoSettings, demo),
            "up": Command(UpSettings, run_up),
            "setup": Command(SetupSettings, run_setup),
            "setup-minio": Command(MinioSettings, run_minio),
            "setup-helm": Command(HelmSettings, run_helm),
            "setup-prometheus": Command(PrometheusSettings, run_prometheus),
            "lock-jars": Command(LockSettings, run_lock),
        },
    )
