"""Every check names itself and the rows it found; a failed one keeps the whole batch out."""

import math
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from stockpipe.common.contracts.manifests import DatasetName
from stockpipe.common.contracts.tables import DAILY_STOCK_METRICS, DATASETS, REALTIME_STOCK_ANALYTICS
from stockpipe.common.warehouse.ledger import DATABASES
from stockpipe.common.warehouse.quality import data_quality_results
from stockpipe.loader.checks import ChecksFailed, Result, parse_checks
from stockpipe.loader.load import load_batch
from stockpipe.loader.quality import write_results
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
        self._number = 0

    def load(self, dataset: DatasetName, *rows: Row) -> dict[str, int]:
        self._number += 1
        batch_id = self.newest
        file = write_file(self._site.store, f"processed/{batch_id}.parquet", dataset, rows)
        manifest = manifest_of(dataset, batch_id, [file])
        return load_batch(self._session, self._site.store, manifest, self._site.clock).warnings

    def failures(self, dataset: DatasetName, *rows: Row) -> str:
        before = self._everything()
        with pytest.raises(ChecksFailed) as raised:
            self.load(dataset, *rows)
        assert self._everything() == before
        found = dict(re.findall(r"(?:: |; )(\w+) \([^)]+\): (\d+)", str(raised.value)))
        assert {name: str(rows) for name, rows in self.failed().items()} == found
        return str(raised.value)

    def write(self, dataset: DatasetName, at: datetime, *results: Result) -> None:
        """Write results of the newest batch as a later try does."""
        with self._session.transaction():
            write_results(self._session, manifest_of(dataset, self.newest, []), results, at.replace(tzinfo=None))

    def failed(self) -> dict[str, int]:
        """Return the rows that the fail checks found in the newest batch, as DATA_QUALITY_RESULTS has them."""
        return {name: rows for name, _level, rows, status in self.results(self.newest) if status == "failed"}

    @property
    def newest(self) -> str:
        return f"20240514T150000Z-{self._number}"

    def results(self, batch_id: str) -> list[tuple[str, str, int, str]]:
        tables = [self._site.qualified(data_quality_results(database)) for database in DATABASES]
        found = [
            self._session.fetch(
                f'SELECT check_name, severity, "rows", status FROM {table} '
                "WHERE batch_id = :batch_id ORDER BY check_name",
                {"batch_id": batch_id},
            )
            for table in tables
        ]
        return [(name, level, int(rows), status) for each in found for name, level, rows, status in each]

    def _everything(self) -> list[object]:
        return [
            self._session.fetch(f"SELECT * FROM {self._site.qualified(table)} ORDER BY {', '.join(table.key)}")
            for table in all_tables()
            if table.name != "DATA_QUALITY_RESULTS"
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


WARNINGS = {"sessions", "restated", "quote_gap", "fresh"}
"""Those that look at several rows; each has a test of its own below."""


def test_checks_are_covered_by_the_tests_of_this_file() -> None:
    for table, bad in ((DAILY_STOCK_METRICS, BAD_DAILY), (REALTIME_STOCK_ANALYTICS, BAD_WINDOW)):
        named = {check.name for check in sql_of(table).checks if check.level == "fail"}
        assert named - {check for check, _ in bad} == {"unique_key"}
    odd = {check for check, _ in ODD_DAILY + ODD_WINDOW}
    warned = {check.name for dataset in DATASETS.values() for check in sql_of(dataset.table).checks} - {
        check for check, _ in BAD_DAILY + BAD_WINDOW
    }
    assert warned - odd == WARNINGS | {"unique_key"}


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
    old = [daily_row(date=date(2024, 5, day)) for day in (3, 6)]
    assert bench.load("daily", *old) == {"fresh": 2}
    old_window = window_row(window_start=START - timedelta(hours=1))
    assert bench.load("realtime", old_window) == {"fresh": 1}


def test_fresh_rows_give_no_warning(bench: Bench) -> None:
    old = daily_row(date=date(2014, 5, 7), symbol="OLD")
    assert bench.load("daily", daily_row(date=date(2024, 5, 7)), old) == {}
    assert bench.load("realtime", window_row()) == {}


ODD_DAILY: list[tuple[str, Row]] = [
    ("adjusted", {"adj_close": None}),
    ("actions_named", {"split_factor": 4.0}),
    ("unexplained_jump", {"daily_change_pct": -50.0, "daily_return": -0.5}),
    ("unexplained_jump", {"daily_change_pct": 100.0, "daily_return": 1.0}),
    ("volume_anomaly", {"daily_volume": 0}),
    ("volume_anomaly", {"volume_ratio": 10.5}),
]
ODD_WINDOW: list[tuple[str, Row]] = [
    ("deviation_known", {"volatility_15m": None}),
    ("price_jump", {"low": 150.0}),
    ("volume_anomaly", {"volume_sum_15m": 0}),
]
NOT_ODD: list[Row] = [
    {"daily_change_pct": -50.0, "daily_return": 0.001},  # a special dividend, which the adjusted close knows
    {"split_factor": 4.0, "actions_as_of": date(2024, 5, 10)},
    {"volume_ratio": 9.9},
]


@ON_BOTH
def test_odd_rows_are_loaded_and_counted_by_check(bench: Bench) -> None:
    odd = [daily_row(symbol=f"S{number}", **changes) for number, (_, changes) in enumerate(ODD_DAILY)]
    fine = [daily_row(symbol=f"F{number}", **changes) for number, changes in enumerate(NOT_ODD)]
    assert bench.load("daily", *odd, *fine) == Counter(check for check, _ in ODD_DAILY)
    windows = [window_row(symbol=f"S{number}", **changes) for number, (_, changes) in enumerate(ODD_WINDOW)]
    assert bench.load("realtime", *windows, window_row(record_count_15m=1, volatility_15m=None)) == Counter(
        check for check, _ in ODD_WINDOW
    )


@ON_BOTH
def test_sessions_that_the_exchange_had_and_the_batch_has_not_are_counted(bench: Bench) -> None:
    days = [date(2024, 3, 26), date(2024, 3, 28), date(2024, 4, 2)]  # Good Friday and a weekend, but no 27th and no 1st
    assert bench.load("daily", *(daily_row(date=day) for day in days))["sessions"] == 2
    london = [daily_row(date=day, exchange="XLON") for day in days]  # closed on Easter Monday as well
    assert bench.load("daily", *london)["sessions"] == 1
    unknown = [daily_row(date=day, exchange=exchange) for day, exchange in zip(days, [None, "NONE", None], strict=True)]
    assert "sessions" not in bench.load("daily", *unknown)


@ON_BOTH
def test_a_close_that_differs_from_the_one_another_source_gave_is_counted_a_split_is_not(bench: Bench) -> None:
    days = [date(2024, 3, day) for day in (18, 19, 20, 21, 22)]

    def load(*closes: float, **changes: Any) -> dict[str, int]:
        highs = {"daily_open": 1.0, "daily_low": 1.0, "daily_high": 1e6}
        rows = zip(days, closes, strict=True)
        return bench.load(
            "daily",
            *(daily_row(symbol="TWO", date=day, daily_close=close, **highs, **changes) for day, close in rows),
        )

    load(100, 101, 102, 103, 104)
    assert load(100, 101, 102.4, 103, 104).get("restated", 0) == 0, "0.4 percent is what sources differ by"
    assert load(100, 101, 102.6, 103, 104)["restated"] == 1
    assert load(100, 101, 102.6, 103, 104, is_final=False).get("restated", 0) == 0
    assert load(25, 25.25, 25.5, 25.75, 26).get("restated", 0) == 0, "four for one"


@ON_BOTH
def test_a_hole_in_a_day_s_quotes_is_counted_a_lunch_and_a_night_are_not(bench: Bench) -> None:
    def load(*starts: datetime) -> int:
        return bench.load("realtime", *(window_row(window_start=start) for start in starts)).get("quote_gap", 0)

    first = datetime(2024, 5, 14, 1, 30, tzinfo=UTC)
    after_lunch = first + timedelta(minutes=15 + 120)
    assert load(first - timedelta(hours=5), first, after_lunch) == 0
    assert load(first, after_lunch + timedelta(minutes=15)) == 1


@ON_BOTH
def test_every_check_of_a_day_s_batch_has_its_row_and_of_a_micro_batch_only_what_was_found(bench: Bench) -> None:
    bench.load("daily", daily_row(daily_volume=0))
    results = {name: (level, rows, status) for name, level, rows, status in bench.results(bench.newest)}
    assert results.keys() == {"row_count", *(check.name for check in sql_of(DAILY_STOCK_METRICS).checks)}
    assert results.pop("volume_anomaly") == ("warn", 1, "warned")
    assert {(rows, status) for _level, rows, status in results.values()} == {(0, "passed")}
    bench.load("realtime_live", window_row(), window_row(symbol="B", low=150.0))
    assert bench.results(bench.newest) == [("price_jump", "warn", 1, "warned")]


@ON_BOTH
def test_a_micro_batch_that_passes_at_a_later_try_leaves_no_failure(bench: Bench) -> None:
    bench.failures("realtime_live", window_row(volume_sum_15m=-1))
    assert bench.failed() == {"volumes": 1}
    bench.write("realtime_live", NOW + timedelta(minutes=1), Result("volumes", "fail", 0))
    assert bench.failed() == {}
    assert ("volumes", "fail", 0, "passed") in bench.results(bench.newest)


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
