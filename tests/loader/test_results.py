"""What the loader writes of the checks, as the books' report reads it."""

from datetime import date

import pytest

from stockpipe.auditor.period import Period
from stockpipe.auditor.quality import broken_checks
from stockpipe.common.warehouse.reader import open_reader
from stockpipe.loader.checks import ChecksFailed
from support.loading import ON_BOTH, Site
from support.processed import daily_row, window_row, write_batch


@ON_BOTH
def test_what_was_found_in_loaded_and_refused_batches_is_reported(site: Site) -> None:
    site.load(write_batch(site.store, "realtime", "20240514T150000Z-a", [window_row(volume_sum_15m=0)]))
    with pytest.raises(ChecksFailed):
        site.load(write_batch(site.store, "daily", "20240514T150000Z-b", [daily_row(daily_volume=-1)]))
    site.load(write_batch(site.store, "daily", "20240514T150000Z-c", [daily_row()]))  # publishes, where that is needed
    with open_reader(site.settings) as reader:
        found = broken_checks(reader, Period(None, date(2024, 5, 14)))
        assert [(each.dataset, each.check, each.severity, each.batches, each.rows) for each in found] == [
            ("daily", "volumes", "fail", 1, 1),
            ("realtime", "volume_anomaly", "warn", 1, 1),
        ]
        assert broken_checks(reader, Period(date(2024, 5, 15), None)) == []
