from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from stockpipe.spark.io.session import open_session
from stockpipe.spark.settings import SparkSettings
from stockpipe.standalone import paths
from stockpipe.standalone.jars import class_path

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Forgive pyspark 4.1.4 that `toArrow` leaves the socket of its result to the garbage collector."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"))


@pytest.fixture(scope="session", autouse=True)
def _short_lived_java() -> Iterator[None]:
    """Let each JVM compile quickly rather than well: none of them lives long enough to gain by the latter."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
        yield


@pytest.fixture(scope="session")
def spark(_short_lived_java: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """The session that the jobs would start, once for the whole run."""
    settings = SparkSettings(
        lake_url=f"file://{tmp_path_factory.mktemp('lake')}",
        spark_master="local[2]",
        spark_shuffle_partitions=2,
        spark_extra_class_path=class_path(paths.SPARK_JARS),
    )
    session = open_session("tests", settings)
    yield session
    session.stop()
