"""A daily row that a split has restated leads to the split's own request."""

from datetime import date

from stockpipe.auditor.settings import TraceSettings
from stockpipe.auditor.trace import trace
from stockpipe.common.contracts.manifests import OffsetRange
from support.long_run import LongRun
from support.processed import daily_row, write_batch
from support.raw_lake import ACTIONS, BARS, land_actions
from support.records import action

BATCH = "20260601T150000Z-daily"


def test_a_trace_lists_the_splits_that_the_batch_applied_and_no_later_ones() -> None:
    run = LongRun()
    run.land_bars(40)
    read = [action("AAPL", "2020-01-20", ratio=4.0), action("IBM", "2020-01-20", ratio=2.0)]
    before_every_bar = action("AAPL", "2019-12-02", amount=0.2)
    land_actions(run.store, [*read, before_every_bar])
    land_actions(run.store, [action("AAPL", "2020-01-20", ratio=5.0)], start=3)
    manifest = write_batch(
        run.store,
        "daily",
        BATCH,
        [daily_row(date=date(2020, 1, 15))],
        inputs=[OffsetRange(topic=BARS, partition=0, start=0, end=40)],
        also_read=[OffsetRange(topic=ACTIONS, partition=0, start=0, end=3)],
    )
    run.load(manifest)
    settings = TraceSettings(
        symbol="AAPL", date="2020-01-15", lake_url="file:///nowhere", warehouse_url="duckdb:////nowhere"
    )
    sources = trace(settings, run.store, run.warehouse()).sources
    assert [(each.topic, each.moment) for each in sources[-2:]] == [(BARS, "2020-01-15"), (ACTIONS, "2020-01-20")]
    assert (sources[-1].offset, sources[-1].fetch_id) == (0, read[0].fetch_id)
    assert len(sources) == 15 + 1
