"""The lake's raw rows: which objects to read, and reading them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce

import msgspec
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as sf

from stockpipe.common.contracts.corporate_action import CorporateAction
from stockpipe.common.contracts.daily_bar import DailyBar
from stockpipe.common.contracts.decode import Record
from stockpipe.common.contracts.manifests import OffsetRange, RawManifest
from stockpipe.common.contracts.quote import Quote
from stockpipe.common.contracts.topics import TopicKind
from stockpipe.common.errors import ConfigError, DataRefused
from stockpipe.common.lake.manifests import raw_manifests
from stockpipe.common.lake.raw_rows import FIRST_COLUMNS, OFFSET_COLUMN, PARTITION_COLUMN, RAW_COLUMNS
from stockpipe.common.lake.retention import raw_retentions
from stockpipe.common.lake.store import ObjectStore
from stockpipe.common.times import to_text

_PATTERN_CHARACTERS = frozenset("{}[]*?\\")


RawKeys = Mapping[tuple[str, ...], Sequence[str]]
"""Keys of raw objects by the columns that their manifests tell, under () where these don't."""


@dataclass(frozen=True)
class RawInput:
    """Raw objects to read, the rows that their manifests promise, and the offsets these manifests stand for."""

    keys: RawKeys
    rows: int
    ranges: tuple[OffsetRange, ...]

    @property
    def objects(self) -> int:
        """Return how many objects there are."""
        return sum(map(len, self.keys.values()))


def select_raw(
    store: ObjectStore, topic: str, *, since: datetime | None = None, until: datetime | None = None
) -> RawInput:
    """Return what the topic's manifests list, all of it or what may hold event times `since <= time < until`.

    Raises:
        ManifestDamaged: a manifest can't be read.
        DataRefused: retention has removed some of it.
    """
    manifests = [
        manifest for manifest in raw_manifests(store, topic) if manifest.objects and _overlaps(manifest, since, until)
    ]
    # Marks are written before manifests go, so looking for them now finds what the list above may lack.
    _refuse_retired(store, topic, since)
    keys: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for manifest in manifests:
        keys[tuple(manifest.columns or ())] += [entry.key for entry in manifest.objects]
    return RawInput(
        keys=dict(keys),
        rows=sum(entry.rows for manifest in manifests for entry in manifest.objects),
        ranges=merge_ranges(
            OffsetRange(topic=m.topic, partition=m.partition, start=m.start, end=m.end) for m in manifests
        ),
    )


def _refuse_retired(store: ObjectStore, topic: str, since: datetime | None) -> None:
    for retired in raw_retentions(store, topic):
        newest = retired.max_event_time
        if newest and (since is None or newest >= to_text(since)):
            wanted = f"records from {to_text(since)} on are needed" if since else "all records are needed"
            raise DataRefused(
                f"retention removed raw records up to {newest} of {topic} partition {retired.partition} (offsets "
                f"before {retired.end}, on {retired.retained_at[:10]}), {wanted}: the result would lack some. Choose "
                "later days"
            )


def _overlaps(manifest: RawManifest, since: datetime | None, until: datetime | None) -> bool:
    if manifest.min_event_time is None or manifest.max_event_time is None:
        return False
    begins_in_time = until is None or manifest.min_event_time < to_text(until)
    return begins_in_time and (since is None or manifest.max_event_time >= to_text(since))


def merge_ranges(ranges: Iterable[OffsetRange]) -> tuple[OffsetRange, ...]:
    """Return the ranges in order, those of a partition that follow each other without a gap made one."""
    merged: list[OffsetRange] = []
    for following in sorted(ranges):
        last = merged[-1] if merged else None
        if last and (last.topic, last.partition, last.end) == (following.topic, following.partition, following.start):
            merged[-1] = OffsetRange(topic=last.topic, partition=last.partition, start=last.start, end=following.end)
        else:
            merged.append(following)
    return tuple(merged)


def read_raw(spark: SparkSession, store: ObjectStore, kind: TopicKind, keys: RawKeys) -> DataFrame:
    """Return the rows of the raw objects as their contract's columns, texts still texts.

    A row that doesn't fit its object's columns fails the query. CSV and Parquet objects may be mixed, older and newer
    ones too: a column that an object is too old to have is null, one that is younger than the contract is left out.

    Raises:
        ConfigError: the lake's folder has a name that Spark takes for a pattern.
    """
    types = RAW_COLUMNS[kind]
    frames = []
    for told, group in keys.items():
        columns = told or FIRST_COLUMNS[kind]
        reader = spark.read.schema(_ddl({name: types.get(name, "string") for name in columns}))
        # The header of every CSV object is held against these columns.
        csv = reader.option("header", "true").option("mode", "FAILFAST").option("enforceSchema", "false")
        parquet_urls = [_url(store, key) for key in group if key.endswith(".parquet")]
        csv_urls = [_url(store, key) for key in group if not key.endswith(".parquet")]
        found = [csv.csv(csv_urls)] if csv_urls else []
        found += [reader.parquet(*parquet_urls)] if parquet_urls else []
        values = [sf.col(name) if name in columns else sf.lit(None).cast(types[name]).alias(name) for name in types]
        frames += [frame.select(*values) for frame in found]
    return reduce(DataFrame.union, frames) if frames else spark.createDataFrame([], _ddl(types))


def _ddl(types: Mapping[str, str]) -> str:
    return ", ".join(f"`{name}` {type_}" for name, type_ in types.items())


def _url(store: ObjectStore, key: str) -> str:
    url = store.spark_url(key)
    if found := sorted(_PATTERN_CHARACTERS & set(url)):
        # With these Spark may read a file several times, and says nothing.
        raise ConfigError(f"LAKE_URL: Spark takes {' '.join(found)} in {store.url} for a pattern; use another folder")
    return url


def read_quotes(spark: SparkSession, store: ObjectStore, keys: RawKeys) -> DataFrame:
    """Return the quotes of the raw objects, their times as timestamps."""
    return _parsed(
        read_raw(spark, store, "realtime", keys), Quote, {"event_time": "timestamp", "fetched_at": "timestamp"}
    )


def read_bars(spark: SparkSession, store: ObjectStore, keys: RawKeys) -> DataFrame:
    """Return the daily bars of the raw objects, their dates and times as such."""
    return _parsed(read_raw(spark, store, "batch", keys), DailyBar, {"date": "date", "fetched_at": "timestamp"})


def read_actions(spark: SparkSession, store: ObjectStore, keys: RawKeys) -> DataFrame:
    """Return the splits and dividends of the raw objects, their dates and times as such."""
    rows = read_raw(spark, store, "actions", keys)
    return _parsed(rows, CorporateAction, {"ex_date": "date", "fetched_at": "timestamp"})


def _parsed(rows: DataFrame, contract: type[Record], types: dict[str, str]) -> DataFrame:
    required = {field.name for field in msgspec.structs.fields(contract) if field.required}
    required |= {PARTITION_COLUMN, OFFSET_COLUMN}
    columns = {name: _required(name) if name in required else sf.col(name) for name in rows.columns}
    return rows.select(
        *(
            value.cast(types[name]).alias(name) if name in types else value.alias(name)
            for name, value in columns.items()
        )
    )


def _required(name: str) -> Column:
    # Spark reads a CSV row that ends too early as one whose last columns are null, even in its mode FAILFAST.
    return sf.coalesce(sf.col(name), sf.raise_error(sf.lit(f"a raw row has no {name}")))
