"""What the operations view and lineage show: raw quotes with their window, and a report of the books."""

from typing import Any

import msgspec

from stockpipe.common.contracts.books import BooksReport, DatasetBooks, PartitionBooks
from stockpipe.common.contracts.manifests import OffsetRange
from stockpipe.common.lake import layout
from support.api import ApiSite, window
from support.processed import write_batch
from support.raw_lake import land_quotes
from support.records import quote

REPORT = BooksReport(
    audited_at="2013-03-01T21:14:00.000Z",
    first_day="2013-02-28",
    partitions=[PartitionBooks("stock-market-realtime", 3, offsets=10, raw_rows=8, rejected=2)],
    datasets=[DatasetBooks("realtime", 1, 8, {"duplicate": 1}, 5, 5)],
    findings=[],
    dead_letters={"stock-market-realtime": {"not_json": 2}},
)


def publish(site: ApiSite, **changes: Any) -> BooksReport:
    """Leave a report in the lake, as the auditor's watch does."""
    report = msgspec.structs.replace(REPORT, **changes)
    site.store.create(layout.books_report(report.audited_at), msgspec.json.encode(report))
    return report


def landed(site: ApiSite) -> None:
    """Land the quotes of the first window, and load the window that was computed from them."""
    quotes = [quote(event_time=f"2013-03-01T14:{30 + n}:00.000Z", fetch_id=f"fetch-{n}") for n in range(5)]
    land_quotes(site.store, quotes, partition=3, start=100)
    row = window(0, first_offset=100, last_offset=104, record_count_1h=121, transform_version=2)
    inputs = [OffsetRange(topic="stock-market-realtime", partition=3, start=100, end=105)]
    site.load(write_batch(site.store, "realtime", "20130301T213000Z-windows", [row], inputs=inputs))
