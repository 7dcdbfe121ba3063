"""Quotes that were delivered more than once count once."""

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as sf

IDENTITY = ("symbol", "event_time", "source")
"""Quotes that agree in these columns are one quote."""


def number_copies(quotes: DataFrame) -> DataFrame:
    """Add `copy`: 1 for the quote that counts, the one with the lowest offset (then partition), 2, 3, ... for others.

    The rows come out partitioned by symbol, so that no later step by symbol shuffles again.
    """
    copies = Window.partitionBy(*IDENTITY).orderBy("kafka_offset", "kafka_partition")
    return quotes.repartition("symbol").withColumn("copy", sf.row_number().over(copies))


def first_copies(numbered: DataFrame) -> DataFrame:
    """Keep the quotes that count of those that `number_copies` numbered."""
    return numbered.where(sf.col("copy") == 1).drop("copy")


def deduplicate(quotes: DataFrame) -> DataFrame:
    """Keep, of the quotes with the same symbol, event_time and source, the one with the lowest Kafka offset."""
    return first_copies(number_copies(quotes))
