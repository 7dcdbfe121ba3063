"""The stream's source: quotes out of Kafka, checked by the same code that the consumer runs."""

from collections.abc import Iterable, Iterator

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as sf

from stockpipe.common.contracts.decode import Record, RecordDecoder, Rejected, schema_header
from stockpipe.common.contracts.topics import HEADER_SCHEMA
from stockpipe.common.errors import ConfigError
from stockpipe.common.lake.raw_rows import OFFSET_COLUMN, PARTITION_COLUMN
from stockpipe.common.settings import KafkaSettings
from stockpipe.spark.transforms.windows import QUOTE_COLUMNS

_TIMES = pa.timestamp("us", tz="UTC")
_FIELDS = {
    "symbol": pa.string(),
    "event_time": _TIMES,
    "price": pa.float64(),
    "volume": pa.int64(),
    "source": pa.string(),
}
_DECODED = pa.schema(
    [*_FIELDS.items(), (PARTITION_COLUMN, pa.int32()), (OFFSET_COLUMN, pa.int64()), ("reason", pa.string())]
)
DECODED_SCHEMA = (
    "symbol string, event_time timestamp, price double, volume bigint, source string, "
    f"{PARTITION_COLUMN} int, {OFFSET_COLUMN} bigint, reason string"
)
"""What `decoded` returns: QUOTE_COLUMNS and, for a refused record, the reason; its quote columns are null then."""


def kafka_options(settings: KafkaSettings) -> dict[str, str]:
    """Return the connection part of the Kafka source's options, under the Java client's names.

    Raises:
        ConfigError: SASL is chosen without user or password.
    """
    client = settings.kafka_client_config()
    options = {
        "kafka.bootstrap.servers": client["bootstrap.servers"],
        "kafka.security.protocol": client["security.protocol"],
    }
    if "sasl.mechanism" in client:
        module = "plain.Plain" if client["sasl.mechanism"] == "PLAIN" else "scram.Scram"
        user, password = _quoted(client["sasl.username"]), _quoted(client["sasl.password"])
        options["kafka.sasl.mechanism"] = client["sasl.mechanism"]
        options["kafka.sasl.jaas.config"] = (
            f"org.apache.kafka.common.security.{module}LoginModule required username={user} password={password};"
        )
    if "ssl.ca.location" in client:
        options["kafka.ssl.truststore.type"] = "PEM"
        options["kafka.ssl.truststore.location"] = client["ssl.ca.location"]
    return options


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def read_stream(
    spark: SparkSession, settings: KafkaSettings, topic: str, max_offsets_per_trigger: int | None
) -> DataFrame:
    """Return the topic as a stream of Kafka records, from its first kept record on.

    Offsets that retention deleted before they were read fail the query; they are never skipped in silence.

    Raises:
        ConfigError: Spark has no Kafka source on its class path.
    """
    options = {
        **kafka_options(settings),
        "subscribe": topic,
        "includeHeaders": "true",
        "startingOffsets": "earliest",
        "failOnDataLoss": "true",
        # as the consumer reads: a redrive that died sends records that don't count
        "kafka.isolation.level": "read_committed",
    }
    if max_offsets_per_trigger:
        options["maxOffsetsPerTrigger"] = str(max_offsets_per_trigger)
    try:
        return spark.readStream.format("kafka").options(**options).load()
    except Exception as error:
        if "kafka" in str(error).lower() and "find" in str(error).lower():
            raise ConfigError(
                "Spark has no Kafka source: set SPARK_EXTRA_CLASS_PATH to the jars of spark-apps/jgo.lock.toml"
            ) from error
        raise


def decoded(records: DataFrame) -> DataFrame:
    """Return each Kafka record as the quote it carries or with the reason why it carries none (DECODED_SCHEMA)."""
    schemas = sf.filter("headers", lambda header: (header["key"] == HEADER_SCHEMA) & header["value"].isNotNull())
    slim = records.select(
        "value",
        sf.try_element_at(schemas, sf.lit(1))["value"].alias("schema"),
        sf.unix_millis("timestamp").alias("appended_ms"),
        sf.col("partition").alias(PARTITION_COLUMN),
        sf.col("offset").alias(OFFSET_COLUMN),
    )
    return slim.mapInArrow(_decode_batches, DECODED_SCHEMA)


def _decode_batches(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    decoder = RecordDecoder("realtime")
    for batch in batches:
        verdicts = [
            _verdict(decoder, value, schema, appended_ms)
            for value, schema, appended_ms in zip(
                batch["value"].to_pylist(),
                batch["schema"].to_pylist(),
                batch["appended_ms"].to_pylist(),
                strict=True,
            )
        ]
        columns = [_column(name, type_, verdicts) for name, type_ in _FIELDS.items()]
        reasons = pa.array([verdict if isinstance(verdict, str) else None for verdict in verdicts], pa.string())
        offsets = [batch[PARTITION_COLUMN], batch[OFFSET_COLUMN]]
        yield pa.RecordBatch.from_arrays([*columns, *offsets, reasons], schema=_DECODED)


def _verdict(decoder: RecordDecoder, value: bytes | None, schema: bytes | None, appended_ms: int) -> Record | str:
    try:
        return decoder.decode(value, schema_header([(HEADER_SCHEMA, schema)]), appended_ms)
    except Rejected as refusal:
        return refusal.reason


def _column(name: str, type_: pa.DataType, verdicts: list[Record | str]) -> pa.Array:
    values = [None if isinstance(verdict, str) else getattr(verdict, name) for verdict in verdicts]
    # Arrow reads RFC 3339 texts itself, many times faster than Python.
    return pa.array(values, pa.string()).cast(type_) if type_ == _TIMES else pa.array(values, type_)


def accepted(decoded_records: DataFrame) -> DataFrame:
    """Return the quotes of what `decoded` returned, the columns QUOTE_COLUMNS."""
    return decoded_records.where(sf.col("reason").isNull()).select(*QUOTE_COLUMNS)
