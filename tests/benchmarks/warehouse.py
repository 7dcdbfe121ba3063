"""The loader against DuckDB's own append."""

import random
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from benchmarks.harness import Bench, Result, Run, Stopwatch, Target, against, paired, rates, times
from benchmarks.quotes import unique
from stockpipe.common import calendar
from stockpipe.common.contracts.manifests import ProcessedManifest
from stockpipe.common.contracts.tables import DAILY_STOCK_METRICS
from stockpipe.common.lake import layout
from stockpipe.common.lake.manifests import commit_processed
from stockpipe.loader.staging import Incoming
from support.loading import Site
from support.processed import NOW, daily_row, manifest_of, write_table

TABLE = DAILY_STOCK_METRICS
LAST_DAY = date(2024, 5, 13)


def _rows(symbol: str, days: list[date], batch_id: str, fetched_at: datetime) -> pa.Table:
    """Return a symbol's rows as its file holds them: without the symbol, which is in the path."""
    rng = random.Random(symbol)
    constant: dict[str, Any] = daily_row(symbol=symbol, batch_id=batch_id, source_fetched_at=fetched_at)
    closes = [100 + rng.random() * 50 for _ in days]
    varied: dict[str, list[Any]] = {
        "date": list(days),
        "daily_open": closes,
        "daily_high": [close + 1 for close in closes],
        "daily_low": [close - 1 for close in closes],
        "daily_close": closes,
        "adj_close": closes,
        "daily_volume": [rng.randrange(10_000_000) for _ in days],
        "daily_return": [rng.gauss(0, 0.01) for _ in days],
        **{name: [close + rng.random() for close in closes] for name in ("sma_5", "sma_15", "sma_30")},
        **{name: [rng.random() / 50 for _ in days] for name in ("volatility_5", "volatility_15", "volatility_30")},
    }
    fields = [field for field in TABLE.arrow_schema if field.name != "symbol"]
    columns = []
    for field in fields:
        values = varied.get(field.name) or [constant[field.name]] * len(days)
        type_ = pa.timestamp("us", tz="UTC") if pa.types.is_timestamp(field.type) else field.type
        columns.append(pa.array(values, type_))
    return pa.table(columns, [field.name for field in fields])


def write_daily(
    site: Site, batch_id: str, symbols: int, sessions: int, fetched_at: datetime = NOW - timedelta(hours=1)
) -> ProcessedManifest:
    """Write a batch as the daily job does: a file a symbol."""
    days = [each.day for each in calendar.sessions("XNAS", LAST_DAY - timedelta(days=sessions * 3 // 2), LAST_DAY)]
    days = days[-sessions:]
    assert len(days) == sessions
    store, folder = site.store, layout.historical_folder(NOW.date())
    files = [
        write_table(
            store,
            f"{folder}/symbol=S{number:04}/part-{batch_id}-0.parquet",
            _rows(f"S{number:04}", days, batch_id, fetched_at),
        )
        for number in range(symbols)
    ]
    return commit_processed(store, manifest_of("daily", batch_id, files))


class Loads:
    """A lake with two batches of the same keys, the second newer, and a new warehouse for each pass."""

    def __init__(self, folder: Path, symbols: int, sessions: int) -> None:
        self.rows = symbols * sessions
        self._folder = folder
        self._site = Site(folder)
        self._first = write_daily(self._site, "20240514T120000Z-first", symbols, sessions)
        self._newer = write_daily(self._site, "20240514T130000Z-newer", symbols, sessions, NOW - timedelta(minutes=30))
        self._staged = folder / "staged.parquet"
        with Incoming(self._site.store, self._first).file() as path:
            self._staged.write_bytes(path.read_bytes())
        self._sum = self._expect()

    def _expect(self) -> tuple[Any, ...]:
        sql = f"SELECT count(*), sum(daily_volume) FROM read_parquet('{self._staged}')"
        with duckdb.connect() as connection:
            (found,) = connection.execute(sql).fetchall()
        assert found[0] == self.rows
        return tuple(found)

    def append(self) -> Run:
        """Let DuckDB append the rows of one file that was prepared before to an empty table, and checkpoint."""
        path = self._folder / f"{unique('append')}.duckdb"
        with duckdb.connect(str(path)) as connection:
            connection.execute(f"CREATE TABLE t AS SELECT * FROM read_parquet('{self._staged}') LIMIT 0")
            watch = Stopwatch()
            connection.execute(f"INSERT INTO t SELECT * FROM read_parquet('{self._staged}')")
            connection.execute("CHECKPOINT")
            run = watch.run(self.rows)
            assert connection.execute("SELECT count(*), sum(daily_volume) FROM t").fetchall() == [self._sum]
        path.unlink()
        return run

    def rowwise(self) -> Run:
        """Let DuckDB's executemany upsert the first 2,000 rows one by one, as scripts do."""
        path = self._folder / f"{unique('rows')}.duckdb"
        source = f"SELECT * FROM read_parquet('{self._staged}') LIMIT 2000"
        with duckdb.connect(str(path)) as connection:
            rows = connection.execute(source).fetchall()
            connection.execute(f"CREATE TABLE t AS {source}")
            connection.execute("TRUNCATE t")
            connection.execute("CREATE UNIQUE INDEX key ON t (symbol, date)")
            places = ", ".join("?" * len(rows[0]))
            watch = Stopwatch()
            connection.executemany(f"INSERT OR REPLACE INTO t VALUES ({places})", rows)
            run = watch.run(len(rows))
            assert connection.execute("SELECT count(*) FROM t").fetchall() == [(len(rows),)]
        path.unlink()
        return run

    def loads(self) -> tuple[Run, Run, Run]:
        """Load the first batch, the same again, then the newer one, with everything a load does."""
        site = Site(self._folder, f"{unique('loaded')}.duckdb")
        site.migrate()
        runs = []
        expected = [(False, self.rows, 0), (True, self.rows, 0), (False, 0, self.rows)]
        for manifest, counts in zip((self._first, self._first, self._newer), expected, strict=True):
            watch = Stopwatch()
            (result,) = site.load(manifest)
            runs.append(watch.run(self.rows))
            assert (result.already_loaded, result.inserted, result.updated) == counts
            sql = f"SELECT count(*), sum(daily_volume) FROM {TABLE.database}.{TABLE.name}"
            with duckdb.connect(str(site.database), read_only=True) as connection:
                assert connection.execute(sql).fetchall() == [self._sum]
        for file in self._folder.glob(f"{site.database.stem}*"):
            file.unlink()
        first, again, newer = runs
        return first, again, newer


def load(bench: Bench) -> list[Result]:
    """The loader's first load, the same batch again, and a batch that replaces every row."""
    data = Loads(bench.folder / "loader", *((200, 2500) if not bench.quick else (50, 500)))
    after: list[tuple[Run, Run]] = []

    def first() -> Run:
        found, again, newer = data.loads()
        after.append((again, newer))
        return found

    sides = {"append": data.append, "first": first}
    if not bench.quick:
        sides["executemany"] = data.rowwise
    runs = paired(sides, bench.rounds)
    runs["again"], runs["newer"] = map(list, zip(*after[-bench.rounds :], strict=True))
    append = "DuckDB's append of one prepared file"
    results = [
        against(runs, "loader", "first", "append", f"first load of a batch: fetch, check, merge, publish / {append}"),
        Result(
            "loader-again", "seconds of the second load of the same batch / of the first", times(runs, "again", "first")
        ),
        Result(
            "loader-newer", "seconds of a load that updates every row / of the first", times(runs, "newer", "first")
        ),
    ]
    results[0].target = Target(0.5, 0.7)
    results[1].target = Target(1.2, 0.1, at_most=True)
    if not bench.quick:
        results.append(
            Result("loader-executemany", "the loader / executemany, 2,000 rows", rates(runs, "first", "executemany"))
        )
    results[0].raw = runs
    results[0].notes = {"rows": data.rows}
    return results
