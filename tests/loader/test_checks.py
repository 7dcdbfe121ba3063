"""Every check names itself and the rows it found; a failed one keeps the whole batch out."""

import itertools
import math
import re
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest

from stockpipe.common.contracts.manifests import DatasetName
from stockpipe.common.contracts.tables import DAILY_STOCK_METRICS, DATASETS, REALTIME_STOCK_ANALYTICS
from stockpipe.loader.checks import ChecksFailed, parse_checks
from stockpipe.loader.load import load_batch
from stockpipe.loader.tables import all_tables, sql_of
from stockpipe.loader.warehouse import Session
from support.loading import DIALECTS, MakeSite, Site
from support.processed import NOW, Row, daily_row, manifest_of, window_row, write_file

SOON = NOW + timedelta(seconds=50)
LATE = NOW + timedelta(seconds=70)
START = window_row()["window_start"]

BAD_DAILY: list[tuple[str, Row]] = [
    ("prices", {"daily_low": 0.0}),
    ("prices", {"daily_open": -1.0, "daily_low": -1.0}),
    ("prices", {"daily_high": math.inf}),
    ("prices", {"daily_close": math.nan, "daily_high": math.nan}),
    ("prices", {"adj_close": 0.0}),
    ("prices", {"sma_15": math.nan}),
    ("price_order", {"daily_low": 185.1}),
    ("price_order", {"daily_low": 186.8, "daily_open": 187.0}),
    ("price_order", {"daily_high": 186.0}),
    ("price_order", {"daily_high": 184.9, "daily_close": 184.5}),
    ("deviations", {"volatility_5": -0.1}),
    ("deviations", {"volatility_30": math.inf}),
    ("volumes", {"daily_volume": -1}),
    ("volumes", {"volume_ratio": -0.5}),
    ("volume_trend", {"volume_trend": "up"}),
    ("no_future", {"date": date(2024, 5, 16)}),
    ("no_future", {"source_fetched_at": LATE}),
    ("no_future", {"processed_at": LATE}),
    ("required_symbol", {"symbol": None}),
    ("required_date", {"date": None}),
    ("required_daily_open", {"daily_open": None}),
    ("required_transform_version", {"transform_version": None}),
]

BAD_WINDOW: list[tuple[str, Row]] = [
    ("prices", {"low": 0.0}),
    ("prices", {"high": math.nan}),
    ("prices", {"vwap_15m": -186.0}),
    ("prices", {"ma_1h": math.inf}),
    ("price_order", {"low": 186.1}),
    ("price_order", {"high": 186.1}),
    ("deviations", {"volatility_1h": math.nan}),
    ("volumes", {"volume_sum_15m": -1}),
    ("volumes", {"volume_sum_1h": 11_999}),
    ("counts", {"record_count_15m": 0}),
    ("counts", {"record_count_1h": 29}),
    ("offsets", {"first_offset": -1}),
    ("offsets", {"first_offset": 1_120}),
    ("window_length", {"window_end": START + timedelta(minutes=15, microseconds=1)}),
    ("window_length", {"window_end": START + timedelta(minutes=30)}),
    ("last_event", {"last_event_time": START - timedelta(microseconds=1)}),
    ("last_event", {"last_event_time": START + timedelta(minutes=15)}),
    ("no_future", window_row(window_start=LATE)),
    ("no_future", {"processed_at": LATE}),
    ("no_future", window_row(window_start=NOW, last_event_time=LATE)),
    ("required_window_start", {"window_start": None}),
    ("required_last_offset", {"last_offset": None}),
]


ON_BOTH = pytest.mark.parametrize("bench", DIALECTS, indirect=True)


class Bench:
    """One open warehouse for all checks; batches that fail leave no trace in it."""

    def __init__(self, site: Site, session: Session) -> None:
        self._site = site
        self._session = session
        self._numbers = itertools.count()

    def load(self, dataset: DatasetName, *rows: Row) -> dict[str, int]:
        batch_id = f"20240514T150000Z-{next(self._numbers)}"
        file = write_file(self._site.store, f"processed/{batch_id}.parquet", dataset, rows)
        manifest = manifest_of(dataset, batch_id, [file])
        return load_batch(self._session, self._site.store, manifest, self._site.clock).warnings

    def failures(self, dataset: DatasetName, *rows: Row) -> str:
        before = self._everything()
        with pytest.raises(ChecksFailed) as raised:
            self.load(dataset, *rows)
        assert self._everything() == before
        return str(raised.value)

    def _everything(self) -> list[object]:
        return [
            self._session.fetch(f"SELECT * FROM {self._site.qualified(table)} ORDER BY {', '.join(table.key)}")
            for table in all_tables()
        ]


@pytest.fixture(scope="module")
def bench(
    make_site: MakeSite, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Bench]:
    site = make_site(getattr(request, "param", "duckdb"), tmp_path_factory.mktemp("checks"))
    with site.warehouse().open() as session:
        yield Bench(site, session)


@pytest.mark.parametrize(("check", "changes"), BAD_DAILY)
def test_a_bad_daily_row_is_named(bench: Bench, check: str, changes: Row) -> None:
    message = bench.failures("daily", daily_row(symbol="GOOD"), daily_row(**changes))
    assert f" {check} (" in message
    assert message.count("): 1, such as ") == message.count("(") == 1, "no other check may find rows"
    row = daily_row() | changes
    assert message.endswith(f"such as {row['symbol'] or 'null'} {row['date'] or 'null'}")


@pytest.mark.parametrize(("check", "changes"), BAD_WINDOW)
def test_a_bad_window_is_named(bench: Bench, check: str, changes: Row) -> None:
    message = bench.failures("realtime", window_row(symbol="GOOD"), window_row() | changes)
    assert f" {check} (" in message
    row = window_row() | changes
    start = row["window_start"] and row["window_start"].replace(tzinfo=None)
    assert message.endswith(f"): 1, such as {row['symbol']} {start or 'null'}")


@ON_BOTH
@pytest.mark.parametrize(
    ("dataset", "good", "bad"), [("daily", daily_row(), BAD_DAILY), ("realtime", window_row(), BAD_WINDOW)]
)
def test_every_check_finds_its_rows_in_every_dialect(
    bench: Bench, dataset: DatasetName, good: Row, bad: list[tuple[str, Row]]
) -> None:
    message = bench.failures(
        dataset, good, *(good | {"symbol": f"S{number:02}"} | changes for number, (_, changes) in enumerate(bad))
    )
    found = dict(re.findall(r"(\w+) \([^)]+\): (\d+), such as ", message))
    assert {name: int(rows) for name, rows in found.items()} == Counter(check for check, _ in bad)


def test_checks_are_covered_by_the_tests_above() -> None:
    for table, bad in ((DAILY_STOCK_METRICS, BAD_DAILY), (REALTIME_STOCK_ANALYTICS, BAD_WINDOW)):
        named = {check.name for check in sql_of(table).checks if check.level == "fail"}
        assert named - {check for check, _ in bad} == {"unique_key"}


@ON_BOTH
def test_surplus_rows_of_a_key_are_counted(bench: Bench) -> None:
    message = bench.failures("daily", daily_row(), daily_row(), daily_row(), daily_row(symbol="GOOD"))
    assert (
        "unique_key (symbol and date are those of one row only): 2, such as AAPL 2024-05-13, AAPL 2024-05-13" in message
    )


@ON_BOTH
def test_at_most_three_rows_are_named_in_the_order_of_their_keys(bench: Bench) -> None:
    message = bench.failures("daily", *(daily_row(symbol=symbol, daily_volume=-1) for symbol in "DBCA"))
    assert message.endswith("volumes (volumes are 0 or more): 4, such as A 2024-05-13, B 2024-05-13, C 2024-05-13")


def test_all_failed_checks_are_reported_at_once(bench: Bench) -> None:
    message = bench.failures("daily", daily_row(daily_volume=-1), daily_row(symbol="B", volume_trend="up"))
    assert "volumes (" in message
    assert "volume_trend (" in message


@ON_BOTH
def test_times_within_the_tolerance_pass(bench: Bench) -> None:
    bench.load("daily", daily_row(date=date(2024, 5, 15), processed_at=SOON))
    bench.load("realtime", window_row(window_start=NOW, last_event_time=SOON))


@ON_BOTH
def test_old_rows_are_loaded_with_a_warning(bench: Bench) -> None:
    assert bench.load("daily", daily_row(date=date(2024, 5, 6)), daily_row(date=date(2024, 5, 3))) == {"fresh": 2}
    old_window = window_row(window_start=START - timedelta(hours=1))
    assert bench.load("realtime", old_window) == {"fresh": 1}


def test_fresh_rows_give_no_warning(bench: Bench) -> None:
    assert bench.load("daily", daily_row(date=date(2024, 5, 7)), daily_row(date=date(2014, 5, 7))) == {}
    assert bench.load("realtime", window_row()) == {}


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("-- fail: a: b\nSELECT 1;", "'a' must begin with SELECT COUNT"),
        ("-- fail: a: b\nSELECT 1", "'a' must have"),
        ("-- fail: a: b\nSELECT 1; SELECT 2;", "'a' must have"),
        ("-- warn: a: b\nSELECT 1;\n-- warn: a: b\nSELECT 1;", "'a' must have"),
        ("-- Fail: a: b\nSELECT 1;", "follows a line"),
        ("-- warn: a: b\nSELECT 1;\n-- oops: c: d\nSELECT 1;", "'a' must have"),
    ],
)
def test_a_malformed_checks_file_is_refused(text: str, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        parse_checks(text)


def test_checks_count_and_never_select_rows() -> None:
    checks: list[Any] = [check for dataset in DATASETS.values() for check in sql_of(dataset.table).checks]
    assert {check.level for check in checks} == {"fail", "warn"}
    assert all(check.sql.startswith("SELECT ") for check in checks)
