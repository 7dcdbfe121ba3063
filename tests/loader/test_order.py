"""Batches may be loaded in any order: the same rows remain."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stockpipe.common.contracts.tables import REALTIME_STOCK_ANALYTICS
from stockpipe.loader.load import load_batch
from stockpipe.loader.tables import all_tables
from stockpipe.loader.warehouse import Session
from support.loading import DIALECTS, MakeSite, Site
from support.processed import Row, manifest_of, window_row, write_file

START = window_row()["window_start"]

Version = tuple[int, int, int]
Batch = dict[tuple[str, int], Version]

batches = st.lists(
    st.dictionaries(
        st.tuples(st.sampled_from("AB"), st.integers(0, 1)),
        st.tuples(st.integers(1, 2), st.integers(10, 11), st.integers(1, 2)),
        max_size=4,
    ),
    min_size=2,
    max_size=4,
)


def row(symbol: str, window: int, version: Version) -> Row:
    """Return a row whose values follow from its key and version, as those of a deterministic transform do."""
    transform, offset, count = version
    return window_row(
        symbol=symbol,
        window_start=START - timedelta(minutes=15 * window),
        close=186 + transform / 10 + offset / 1000 + count / 10_000,
        transform_version=transform,
        first_offset=1,
        last_offset=offset,
        record_count_15m=1,
        record_count_1h=count,
    )


@dataclass
class Bench:
    site: Site
    session: Session
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def final(self, loads: list[Batch]) -> list[tuple[object, ...]]:
        """Load the batches in this order into empty tables; return the rows but for where they came from."""
        for table in all_tables():
            self.session.execute(f"DELETE FROM {self.site.qualified(table)}")
        for batch in loads:
            batch_id = f"20240514T150000Z-{next(self.numbers)}"
            rows = [row(*key, version) | {"batch_id": batch_id} for key, version in batch.items()]
            file = write_file(self.site.store, f"processed/{batch_id}.parquet", "realtime", rows)
            manifest = manifest_of("realtime", batch_id, [file])
            result = load_batch(self.session, self.site.store, manifest, self.site.clock)
            assert result.inserted + result.updated + result.stale == result.rows == len(batch)
        self.session.use(REALTIME_STOCK_ANALYTICS.database)
        columns = ", ".join(name for name in REALTIME_STOCK_ANALYTICS.column_names if name != "batch_id")
        return self.session.fetch(
            f"SELECT {columns} FROM {REALTIME_STOCK_ANALYTICS.name} ORDER BY symbol, window_start"
        )


@pytest.fixture(scope="module")
def bench(
    make_site: MakeSite, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Bench]:
    site = make_site(getattr(request, "param", "duckdb"), tmp_path_factory.mktemp("order"))
    with site.warehouse().open() as session:
        yield Bench(site, session)


@settings(max_examples=10, deadline=None, derandomize=True)
@given(st.data())
def test_any_order_ends_in_the_same_rows(bench: Bench, data: st.DataObject) -> None:
    loads: list[Batch] = data.draw(batches)
    permuted: list[Batch] = data.draw(st.permutations(loads))
    rows = bench.final(loads)
    assert bench.final(permuted) == rows
    newest: dict[tuple[str, int], Version] = {}
    for batch in loads:
        for key, version in batch.items():
            newest[key] = max(version, newest.get(key, version))
    assert len(rows) == len(newest)


@pytest.mark.parametrize("bench", DIALECTS, indirect=True)
def test_two_batches_out_of_order_end_in_the_newer_rows(bench: Bench) -> None:
    older: Batch = {("A", 0): (1, 10, 1), ("B", 0): (1, 10, 2)}
    newer: Batch = {("A", 0): (1, 11, 1), ("B", 0): (1, 10, 1)}
    assert (
        bench.final([older, newer])
        == bench.final([newer, older])
        == bench.final([{("A", 0): (1, 11, 1), ("B", 0): (1, 10, 2)}])
    )
