"""The books: every hop, one after the other."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import get_args

from stockpipe.auditor.offsets import TopicOffsets, landed_kinds, topic_offsets
from stockpipe.auditor.period import Period
from stockpipe.auditor.processed_hop import ProcessedHop
from stockpipe.auditor.raw_hop import RawHop
from stockpipe.auditor.warehouse_hop import WarehouseHop
from stockpipe.auditor.window_hop import missing_quotes
from stockpipe.common.contracts.books import DatasetBooks, Finding, Hop, PartitionBooks
from stockpipe.common.contracts.manifests import DatasetName
from stockpipe.common.contracts.tables import DATASETS, REALTIME_STOCK_ANALYTICS, Table
from stockpipe.common.contracts.topics import TopicKind
from stockpipe.common.lake.store import ObjectStore
from stockpipe.common.settings import KafkaSettings
from stockpipe.common.warehouse.reader import WarehouseReader

HOPS: tuple[Hop, ...] = get_args(Hop)
TABLES: tuple[Table, ...] = tuple({dataset.table.name: dataset.table for dataset in DATASETS.values()}.values())
TOPIC_OF: dict[DatasetName, TopicKind] = {"daily": "batch", "realtime": "realtime", "realtime_live": "realtime"}


@dataclass
class Books:
    """The account of the whole pipeline; `dead_letters` are the distinct ones by topic and reason."""

    partitions: list[PartitionBooks] = field(default_factory=list)
    datasets: list[DatasetBooks] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    dead_letters: dict[str, dict[str, int]] = field(default_factory=dict)

    @property
    def unaccounted(self) -> dict[Hop, int]:
        """Return the records that each hop can't account for."""
        counts: Counter[Hop] = Counter({"kafka-raw": sum(each.unaccounted for each in self.partitions)})
        for finding in self.findings:
            if finding.hop != "kafka-raw":
                counts[finding.hop] += finding.count
        return {hop: counts[hop] for hop in HOPS}


def audit(settings: KafkaSettings, period: Period, store: ObjectStore, reader: WarehouseReader) -> Books:
    """Check everything in the period.

    Raises:
        Unavailable: Kafka, the store or the warehouse can't be reached.
    """
    return balance({kind: topic_offsets(settings, kind) for kind in landed_kinds(settings)}, period, store, reader)


def balance(
    offsets: Mapping[TopicKind, TopicOffsets], period: Period, store: ObjectStore, reader: WarehouseReader
) -> Books:
    """Check everything in the period against what Kafka said."""
    books = Books()
    raw: dict[TopicKind, RawHop] = {}
    for kind, of_topic in offsets.items():
        hop = raw[kind] = RawHop(store, kind, of_topic, period)
        hop.audit()
        books.partitions += hop.books
        books.findings += hop.findings
        books.dead_letters[of_topic.topic] = dict(of_topic.reasons)
    processed = {dataset: ProcessedHop(store, dataset, raw[TOPIC_OF[dataset]], period) for dataset in DATASETS}
    for each in processed.values():
        each.audit()
        books.datasets.append(each.books)
        books.findings += each.findings
    for table in TABLES:
        hops = [processed[name] for name, dataset in DATASETS.items() if dataset.table is table]
        warehouse = WarehouseHop(reader, table, period)
        warehouse.audit(hops)
        books.findings += warehouse.findings
        if table is REALTIME_STOCK_ANALYTICS and period.is_everything:
            books.findings += missing_quotes(reader, raw["realtime"], warehouse.loaded)
    return books
