"""The Spark session, with the defaults that this pipeline was measured with."""

import os
import sys
from typing import Any

from pyspark import SparkConf, SparkContext
from pyspark.sql import SparkSession

from stockpipe.common.lake.s3_bucket import Bucket
from stockpipe.spark.io.s3a import s3a_confs, s3a_environment, trust_ca
from stockpipe.spark.settings import SparkSettings

_DEFAULTS = {
    "spark.sql.session.timeZone": "UTC",
    # a text that is no time or number fails the job; it must not become null
    "spark.sql.ansi.enabled": "true",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    # Java doesn't compile methods above 8,000 bytes of byte code; Spark's own limit lets them run interpreted
    "spark.sql.codegen.hugeMethodLimit": "8000",
    # it notes the Python line of every column, which is a third of the time that a long plan takes to build
    "spark.python.sql.dataFrameDebugging.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "WARN",
    # a raw object is a small file: a listing task for each costs more than the listing
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "8",
}
_STREAM = {
    # these would only forget closed windows, which the next micro-batch with quotes does as well
    "spark.sql.streaming.noDataMicroBatches.enabled": "false",
    "spark.sql.streaming.stateStore.providerClass": (
        "org.apache.spark.sql.execution.streaming.state.RocksDBStateStoreProvider"
    ),
    "spark.sql.streaming.stateStore.rocksdb.changelogCheckpointing.enabled": "true",
}
# Hadoop's own starts chmod for every file and folder, a quarter of a job's time; this one asks Java.
_LOCAL_FILES = "com.globalmentor.apache.hadoop.fs.BareLocalFileSystem"


def session_confs(settings: SparkSettings, bucket: Bucket | None) -> dict[str, str]:
    """Return the Spark configuration for `settings` and a lake in `bucket`, None for one in a folder.

    A setting that isn't given is left to spark-submit and its properties file.
    """
    confs = {
        **_DEFAULTS,
        **_STREAM,
        "spark.sql.shuffle.partitions": str(settings.spark_shuffle_partitions),
        "spark.ui.enabled": str(settings.spark_ui).lower(),
    }
    if settings.spark_master:
        confs["spark.master"] = settings.spark_master
    if settings.spark_extra_class_path:
        confs["spark.driver.extraClassPath"] = settings.spark_extra_class_path
        confs["spark.executor.extraClassPath"] = settings.spark_extra_class_path
    if bucket:
        confs |= s3a_confs(bucket)
    return confs


def open_session(name: str, settings: SparkSettings) -> SparkSession:
    """Start Spark as the application `name`, with access to the lake of the settings.

    Raises:
        ConfigError: a setting of the lake's bucket is missing or has a wrong form.
    """
    bucket = Bucket.of(settings) if settings.lake_url.startswith("s3:") else None
    # Workers would otherwise run the first python3 on the PATH, which may lack our packages.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    if bucket:
        os.environ.update(s3a_environment(bucket))
    conf = SparkConf().setAppName(name).setAll(list(session_confs(settings, bucket).items()))
    if _can_load(_LOCAL_FILES, conf):
        conf.set("spark.hadoop.fs.file.impl", _LOCAL_FILES)
    session = SparkSession.builder.config(conf=conf).getOrCreate()
    if bucket:
        trust_ca(session, bucket)
    return session


def _can_load(java_class: str, conf: SparkConf) -> bool:
    """Start Spark's Java by `conf` if none runs yet, and return whether the class is on its class path."""
    SparkContext._ensure_initialized(conf=conf)
    jvm: Any = SparkContext._jvm
    return bool(jvm.org.apache.spark.util.Utils.classIsLoadable(java_class))
