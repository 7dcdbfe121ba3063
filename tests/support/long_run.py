"""A lake as months of running leave it, made by hand, with the warehouse and Kafka that go with it."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa

from stockpipe.auditor.books import Books, balance
from stockpipe.auditor.maintenance.report import Report
from stockpipe.auditor.maintenance.run import Facts, Maintenance
from stockpipe.auditor.offsets import PartitionOffsets, TopicOffsets
from stockpipe.auditor.period import Period
from stockpipe.auditor.settings import MaintainSettings
from stockpipe.common.contracts.manifests import DatasetName, OffsetRange, ProcessedManifest
from stockpipe.common.contracts.tables import DATASETS, Table
from stockpipe.common.contracts.topics import TopicKind
from stockpipe.common.ids import batch_id
from stockpipe.common.lake.batch_rows import BatchRows
from stockpipe.common.lake.manifests import processed_manifests, raw_manifests
from stockpipe.common.lake.store import ObjectStore
from stockpipe.common.times import to_text
from stockpipe.common.warehouse.ledger import DATABASES, loaded_batches
from stockpipe.common.warehouse.quality import data_quality_results
from support.clocks import ManualClock
from support.landing import quiet_log
from support.memory_store import MemoryStore
from support.processed import Row, daily_row, window_row, write_batch
from support.raw_lake import BARS, QUOTES, land_bars, land_quotes
from support.records import bar, quote

BEGIN = datetime(2026, 6, 1, 14, 0, tzinfo=UTC)
DAY = timedelta(days=1)
QUERY = "0123456789ab"


class MemoryReader:
    """The warehouse's tables in memory."""

    def __init__(self) -> None:
        self.connection = duckdb.connect()
        for database in DATABASES:
            self.connection.execute(f"CREATE SCHEMA {database}")
        tables = {dataset.table.name: dataset.table for dataset in DATASETS.values()}
        for table in (*tables.values(), *map(loaded_batches, DATABASES), *map(data_quality_results, DATABASES)):
            empty = table.arrow_schema.empty_table()
            self.connection.register("empty", empty)
            self.connection.execute(f"CREATE TABLE {self.qualified(table)} AS SELECT * FROM empty")

    def qualified(self, table: Table) -> str:
        return f"{table.database}.{table.name}"

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> pa.Table:
        return self.connection.sql(sql, params=list(parameters)).to_arrow_table()

    def insert(self, table: Table, rows: pa.Table) -> None:
        self.connection.register("rows", rows.select(list(table.column_names)))
        self.connection.execute(f"INSERT INTO {self.qualified(table)} SELECT * FROM rows")


@dataclass
class LongRun:
    """The pipeline so far. Every action happens at the store's time."""

    store: MemoryStore = field(default_factory=lambda: MemoryStore(BEGIN))
    ends: dict[tuple[str, int], int] = field(default_factory=lambda: defaultdict(int))
    dead: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    quotes: dict[tuple[int, datetime], list[int]] = field(default_factory=lambda: defaultdict(list))
    streamed: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    micro_batches: int = 0
    batches: int = 0
    loaded: dict[DatasetName, set[str]] = field(default_factory=lambda: {name: set() for name in DATASETS})
    uncommitted: int = 0

    def land(self, partition: int, count: int, rejected: int = 0) -> None:
        """Land `count` quotes of the partition's one symbol, a minute apart from now on, and rejected ones."""
        start = self.ends[QUOTES, partition]
        times = [self.store.now + timedelta(minutes=number) for number in range(count)]
        quotes = [quote(symbol=f"P{partition}", event_time=to_text(time)) for time in times]
        manifest = land_quotes(
            self.store, quotes, partition=partition, start=start, rejected=rejected, written_at=to_text(self.store.now)
        )
        for number, time in enumerate(times):
            self.quotes[partition, _window(time)].append(start + number)
        self.dead[partition] |= set(range(start + count, manifest.end))
        self.ends[QUOTES, partition] = manifest.end

    def land_bars(self, count: int) -> None:
        start = self.ends[BARS, 0]
        bars = [bar(date=(date(2020, 1, 1) + DAY * (start + number)).isoformat()) for number in range(count)]
        self.ends[BARS, 0] = land_bars(self.store, bars, start=start, written_at=to_text(self.store.now)).end

    def stream(self) -> ProcessedManifest | None:
        """Run a micro-batch over all that is new."""
        new = {
            partition: (self.streamed[partition], end)
            for (topic, partition), end in self.ends.items()
            if topic == QUOTES and end > self.streamed[partition]
        }
        if not new:
            return None
        name = batch_id(self.store.now, f"stream-{QUERY}-{self.micro_batches:010d}")
        self.micro_batches += 1
        rows = [
            row
            for partition, (start, end) in new.items()
            for row in self._windows(partition, end)
            if row["last_offset"] >= start
        ]
        self.streamed |= {partition: end for partition, (_start, end) in new.items()}
        inputs = [
            OffsetRange(topic=QUOTES, partition=partition, start=start, end=end)
            for partition, (start, end) in sorted(new.items())
        ]
        total = sum(entry.end - entry.start for entry in inputs)
        return self._commit("realtime_live", name, rows, inputs, total, None)

    def recompute(self) -> ProcessedManifest | None:
        """Run the stream-batch job over today."""
        today = self.store.now.date().isoformat()
        raw = [
            manifest
            for manifest in raw_manifests(self.store, QUOTES)
            if manifest.objects and (manifest.min_event_time or "")[:10] == today
        ]
        if not raw:
            return None
        rows = [
            row
            for partition in sorted({manifest.partition for manifest in raw})
            for row in self._windows(partition, self.ends[QUOTES, partition])
            if row["window_start"].date().isoformat() == today
        ]
        inputs = [OffsetRange(topic=QUOTES, partition=m.partition, start=m.start, end=m.end) for m in raw]
        read = sum(manifest.records for manifest in raw)
        return self._commit("realtime", self._name("windows"), rows, inputs, read, {})

    def daily(self) -> ProcessedManifest | None:
        """Run the daily job over all bars."""
        count = self.ends[BARS, 0]
        if not count:
            return None
        fetched = self.store.now
        rows = [daily_row(date=date(2020, 1, 1) + DAY * number, source_fetched_at=fetched) for number in range(count)]
        inputs = [OffsetRange(topic=BARS, partition=0, start=0, end=count)]
        return self._commit("daily", self._name("daily"), rows, inputs, count, {})

    def load(self, manifest: ProcessedManifest | None) -> None:
        if manifest:
            self.loaded[manifest.dataset].add(manifest.batch_id)

    def warehouse(self) -> MemoryReader:
        """Return a warehouse with the loaded batches, the newest version of each key; made before any maintenance."""
        reader = MemoryReader()
        tables: dict[str, tuple[Table, list[pa.Table]]] = {}
        for name, dataset in DATASETS.items():
            rows = BatchRows(self.store, name)
            for manifest in processed_manifests(self.store, name):
                if manifest.batch_id not in self.loaded[name]:
                    continue
                found = pa.Table.from_batches(rows.read(manifest))
                tables.setdefault(dataset.table.name, (dataset.table, []))[1].append(found)
                entry = {"dataset": name, "batch_id": manifest.batch_id, "files": 1, "rows": manifest.rows_out}
                entry |= {
                    "inserted": manifest.rows_out,
                    "updated": 0,
                    "stale": 0,
                    "loaded_at": BEGIN.replace(tzinfo=None),
                }
                ledger = loaded_batches(dataset.table.database)
                reader.insert(ledger, pa.Table.from_pylist([entry], ledger.arrow_schema))
        for table, parts in tables.values():
            reader.connection.register("parts", pa.concat_tables(parts))
            order = ", ".join(f"{name} DESC" for name in table.version)
            place = f"ROW_NUMBER() OVER (PARTITION BY {', '.join(table.key)} ORDER BY {order})"
            newest = reader.query(f"SELECT * FROM parts QUALIFY {place} = 1")
            reader.insert(table, newest)
        return reader

    def committed(self) -> dict[int, int | None]:
        ends = {partition: end for (topic, partition), end in self.ends.items() if topic == QUOTES}
        return {partition: end - min(end, self.uncommitted) for partition, end in ends.items()}

    def books(self, reader: MemoryReader, store: ObjectStore | None = None) -> Books:
        offsets: dict[TopicKind, TopicOffsets] = {
            "batch": TopicOffsets(BARS, {0: PartitionOffsets(0, self.ends[BARS, 0], self.ends[BARS, 0])}),
            "realtime": TopicOffsets(
                QUOTES,
                {
                    partition: PartitionOffsets(0, self.ends[QUOTES, partition], offset)
                    for partition, offset in self.committed().items()
                },
                self.dead,
            ),
        }
        return balance(offsets, Period(None, None), store or self.store, reader)

    def maintain(self, *, now: datetime | None = None, apply: bool = True, **settings: Any) -> Report:
        names = {"kafka_bootstrap_server": "none:1", "lake_url": "memory://", "warehouse_url": "memory://"}
        given = {"raw_retention_days": 30, "processed_retention_days": 60} | settings
        clock = ManualClock(now or self.store.now)
        suffixes = iter(f"{self.store.writes + number:06x}" for number in range(1_000_000))
        return Maintenance(
            MaintainSettings(**names, **given, apply=apply),  # type: ignore[arg-type]
            self.store,
            Facts(self.loaded, self.committed()),
            clock,
            lambda: next(suffixes),
            quiet_log(),
        ).run()

    def rows(self) -> dict[str, list[Row]]:
        """Return the rows of every batch in the lake."""
        found = {}
        for name in DATASETS:
            reader = BatchRows(self.store, name)
            for manifest in processed_manifests(self.store, name):
                table = pa.Table.from_batches(reader.read(manifest)) if manifest.rows_out else pa.table({})
                found[manifest.batch_id] = table.to_pylist()
        return found

    def needed(self) -> set[str]:
        """Return every key that a reader which has just listed the manifests may go on to read."""
        keys = {entry.key for topic in (QUOTES, BARS) for m in raw_manifests(self.store, topic) for entry in m.objects}
        for name in DATASETS:
            rows = BatchRows(self.store, name)
            for manifest in processed_manifests(self.store, name):
                own = [file.key for file in manifest.files]
                keys |= set(rows.keys(manifest)[len(own) :] or own)
        return keys

    def _windows(self, partition: int, end: int) -> Iterator[Row]:
        """Yield the partition's windows as one who has read up to `end` knows them."""
        for (of, start), offsets in sorted(self.quotes.items()):
            known = [offset for offset in offsets if offset < end]
            if of == partition and known:
                yield window_row(
                    symbol=f"P{partition}",
                    window_start=start,
                    record_count_15m=len(known),
                    record_count_1h=len(known),
                    first_offset=known[0],
                    last_offset=known[-1],
                    kafka_partition=partition,
                )

    def _name(self, job: str) -> str:
        self.batches += 1
        return batch_id(self.store.now, f"{job}-{self.batches}")

    def _commit(
        self,
        dataset: DatasetName,
        name: str,
        rows: list[Row],
        inputs: list[OffsetRange],
        rows_in: int,
        dropped: dict[str, int] | None,
    ) -> ProcessedManifest:
        return write_batch(
            self.store,
            dataset,
            name,
            rows,
            inputs=inputs,
            rows_in=rows_in,
            rows_dropped=dropped,
            produced_at=to_text(self.store.now),
        )


def _window(time: datetime) -> datetime:
    return time.replace(minute=time.minute - time.minute % 15, second=0, microsecond=0)
