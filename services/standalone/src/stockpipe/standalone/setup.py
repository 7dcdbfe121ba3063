"""`stockpipe-standalone setup` and its kin: what has to be fetched or built once."""

from stockpipe.common.errors import PipelineError
from stockpipe.common.settings import ServiceSettings
from stockpipe.standalone import paths
from stockpipe.standalone.go_programs import ALERTMANAGER, HELM_3, HELM_4, MINIO, PROMETHEUS, PROMTOOL, GoProgram
from stockpipe.standalone.jars import fetch_jars, lock_jars
from stockpipe.standalone.java import find_java


class SetupSettings(ServiceSettings):
    """Find Java and fetch the jars of Kafka and Spark, checked against the locked sha256 sums."""


class LockSettings(ServiceSettings):
    """Resolve the jars of Kafka and Spark anew and rewrite their lock files."""


class MinioSettings(ServiceSettings):
    """Find a MinIO server, or build one by Go, for the tests; without Go say so and go on."""


class HelmSettings(ServiceSettings):
    """Find Helm 3 and Helm 4, or build them by Go, for the tests of the charts; without Go say so and go on."""


class PrometheusSettings(ServiceSettings):
    """Find promtool, Prometheus and Alertmanager, or build them by Go, for the tests of metrics; without Go go on."""


_SETS = (("Kafka", paths.KAFKA_SPEC, paths.KAFKA_JARS), ("Spark", paths.SPARK_SPEC, paths.SPARK_JARS))


def run_setup(_settings: SetupSettings) -> int:
    """Run the command."""
    find_java()
    for name, spec, folder in _SETS:
        print(
            f"== jars of {name}, checked against {(spec / 'jgo.lock.toml').relative_to(paths.ROOT)}",
            flush=True,
        )
        fetch_jars(spec, folder)
    return 0


def run_lock(_settings: LockSettings) -> int:
    """Run the command."""
    for name, spec, folder in _SETS:
        print(f"locking the jars of {name}", flush=True)
        lock_jars(spec, folder)
    return 0


def run_minio(_settings: MinioSettings) -> int:
    """Run the command."""
    _find_or_build(MINIO)
    return 0


def run_helm(_settings: HelmSettings) -> int:
    """Run the command."""
    _find_or_build(HELM_3)
    _find_or_build(HELM_4)
    return 0


def run_prometheus(_settings: PrometheusSettings) -> int:
    """Run the command."""
    _find_or_build(PROMTOOL)
    _find_or_build(PROMETHEUS)
    _find_or_build(ALERTMANAGER)
    return 0


def _find_or_build(program: GoProgram) -> None:
    print(f"== {program.name} {program.version}", flush=True)
    try:
        program.build()
    except PipelineError as error:
        print(f"   none, tests that need it are skipped: {error}", flush=True)
