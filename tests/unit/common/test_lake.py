from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockpipe.common.contracts.decode import Record
from stockpipe.common.contracts.manifests import ManifestDamaged, RawManifest, decode_raw, encode
from stockpipe.common.contracts.topics import TopicKind
from stockpipe.common.errors import ConfigError
from stockpipe.common.ids import batch_day, batch_id, fetch_id
from stockpipe.common.lake import layout
from stockpipe.common.lake.folder import FolderStore
from stockpipe.common.lake.manifests import chain_end, commit_raw, find_raw
from stockpipe.common.lake.raw_rows import FIRST_COLUMNS, RAW_COLUMNS, decode_rows, encode_rows, raw_table
from support.raw_lake import recoded
from support.records import as_dict, bar, quote

NOON = datetime(2026, 11, 23, 14, 30, 22, tzinfo=UTC)


def manifest(start: int, end: int, writer: str = "a") -> RawManifest:
    return RawManifest(
        topic="quotes",
        partition=3,
        start=start,
        end=end,
        records=end - start,
        rejected=0,
        skipped=0,
        objects=[],
        min_event_time=None,
        max_event_time=None,
        symbols=[],
        schema_versions=[],
        fetches={},
        writer=writer,
        written_at="2026-11-23T14:30:00.000Z",
    )


def test_keys_are_those_of_the_specification() -> None:
    assert layout.realtime_object(NOON, 3, 120, 245, "csv") == (
        "raw/realtime/year=2026/month=11/day=23/hour=14/"
        "stock_data_20261123_1430_p03_00000000000000000120-00000000000000000245.csv"
    )
    assert layout.historical_object("AAPL", NOON, 1, 0, 365, "csv") == (
        "raw/historical/year=2026/month=11/day=23/AAPL_143022_p01_00000000000000000000-00000000000000000365.csv"
    )
    assert layout.raw_manifest("quotes", 3, 120) == "raw/_manifests/quotes/partition=03/00000000000000000120.json"
    assert layout.processed_manifest("daily", "20261123T143000Z-daily") == (
        "processed/_manifests/daily/date=2026-11-23/20261123T143000Z-daily.json"
    )
    assert (
        layout.live_file(date(2026, 11, 3), "b") == "processed/realtime_live/year=2026/month=11/day=03/part-b.parquet"
    )


@given(st.from_regex(r"[a-z][a-z0-9.-]{0,30}", fullmatch=True), st.integers(0, 999), st.integers(0, 10**19))
def test_a_raw_manifest_key_is_taken_apart_again(topic: str, partition: int, start: int) -> None:
    assert layout.parse_raw_manifest(layout.raw_manifest(topic, partition, start)) == (topic, partition, start)


def test_other_keys_are_no_raw_manifest() -> None:
    assert layout.parse_raw_manifest("raw/_manifests/quotes/partition=03/x.json") is None


def test_the_symbol_of_a_path_is_decoded() -> None:
    assert layout.symbol_of("processed/realtime/year=2026/month=11/day=23/symbol=%5EGSPC/part-1.parquet") == "^GSPC"
    assert layout.symbol_of("processed/realtime_live/year=2026/month=11/day=23/part-1.parquet") is None


def test_ids_sort_by_time_and_tell_their_day() -> None:
    assert batch_id(NOON, "daily") == "20261123T143022Z-daily"
    assert batch_day("20261123T143022Z-daily") == date(2026, 11, 23)
    assert fetch_id("sample", NOON, "1a2b3c") == "sample-20261123T143022000Z-1a2b3c"


@pytest.mark.parametrize("text", ["", "daily", "20261323T143022Z-x", "20261123T143022Z-", "20261123T143022Z-A/../B"])
def test_a_batch_id_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="must look like 20261123T143000Z-name"):
        batch_day(text)


def test_the_first_manifest_of_an_offset_wins(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    first, second = manifest(0, 10, "a"), manifest(0, 20, "b")
    assert commit_raw(store, first) is first
    assert commit_raw(store, second) == first
    assert find_raw(store, "quotes", 3, 0) == first
    assert find_raw(store, "quotes", 3, 10) is None


def test_the_chain_is_walked_to_its_end(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    for start, end in ((0, 10), (10, 25), (30, 40)):
        commit_raw(store, manifest(start, end))
    assert chain_end(store, "quotes", 3, 0) == 25
    assert chain_end(store, "quotes", 3, 7) == 7


def test_a_manifest_that_does_not_advance_is_damaged(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    commit_raw(store, manifest(10, 10))
    with pytest.raises(ManifestDamaged, match=r"00010\.json ends at 10"):
        chain_end(store, "quotes", 3, 10)


@pytest.mark.parametrize("data", [b"", b"{}", b'{"topic": 1}', b"\xff"])
def test_a_damaged_manifest_is_named(data: bytes) -> None:
    with pytest.raises(ManifestDamaged, match="raw manifest k can't be read"):
        decode_raw("k", data)


def test_a_manifest_is_readable_text_and_comes_back() -> None:
    text = encode(manifest(0, 10)).decode()
    assert '\n  "partition": 3,' in text
    assert decode_raw("k", text.encode()) == manifest(0, 10)


prices = st.floats(1e-12, 1e12)


@pytest.mark.parametrize("raw_format", ["csv", "parquet"])
@given(
    price=prices,
    bid=st.none() | prices,
    exchange=st.none() | st.sampled_from(["XNAS", "NULL", "1234"]),
    volume=st.integers(0, 2**53 - 1),
    symbol=st.sampled_from(["AAPL", "^GSPC", "A=X"]),
)
def test_quotes_come_back_exactly(
    raw_format: Any, price: float, bid: float | None, exchange: str | None, volume: int, symbol: str
) -> None:
    record = quote(price=price, bid=bid, exchange=exchange, volume=volume, symbol=symbol)
    data = encode_rows(raw_table("realtime", [record, record], 4, [7, 9]), raw_format)
    assert data == encode_rows(raw_table("realtime", [record, record], 4, [7, 9]), raw_format)
    rows = decode_rows("realtime", f"x.{raw_format}", data).to_pylist()
    assert rows == [as_dict(record) | {"kafka_partition": 4, "kafka_offset": offset} for offset in (7, 9)]


@pytest.mark.parametrize("raw_format", ["csv", "parquet"])
def test_bars_come_back_exactly(raw_format: Any) -> None:
    records = [bar(), bar(adj_close=None, dividend=0.24, split_ratio=7.0, is_final=False)]
    data = encode_rows(raw_table("batch", records, 0, [1, 2]), raw_format)
    rows = decode_rows("batch", f"x.{raw_format}", data).to_pylist()
    assert [{name: row[name] for name in as_dict(record)} for row, record in zip(rows, records, strict=True)] == [
        as_dict(record) for record in records
    ]


KINDS: list[TopicKind] = ["realtime", "batch"]
GOLDEN = Path(__file__).parent / "golden/raw"
FIRST_ROWS: dict[TopicKind, Sequence[Record]] = {
    "realtime": [
        quote(bid=187.24, ask=187.26),
        quote(symbol="^GSPC", event_time="2026-11-23T14:30:30.000Z", price=5000.5, volume=0, session="post"),
    ],
    "batch": [bar(dividend=0.24, split_ratio=7.0), bar(date="2026-11-19", adj_close=None, is_final=False)],
}


@pytest.mark.parametrize("raw_format", ["csv", "parquet"])
@pytest.mark.parametrize("kind", KINDS)
def test_objects_of_the_first_version_are_read_with_nulls(kind: TopicKind, raw_format: str) -> None:
    path = GOLDEN / f"{'quote' if kind == 'realtime' else 'daily_bar'}.v1-first.{raw_format}"
    rows = decode_rows(kind, path.name, path.read_bytes()).to_pylist()
    assert rows == [
        as_dict(record) | {"kafka_partition": 3, "kafka_offset": offset}
        for record, offset in zip(FIRST_ROWS[kind], (7, 9), strict=True)
    ]
    if raw_format == "csv":
        assert path.read_text().splitlines()[0].replace('"', "").split(",") == list(FIRST_COLUMNS[kind])


@pytest.mark.parametrize("raw_format", ["csv", "parquet"])
@given(data=st.data())
def test_whatever_columns_an_object_has_those_left_keep_their_values(raw_format: Any, data: st.DataObject) -> None:
    records = data.draw(st.lists(st.builds(quote, bid=st.none() | prices, exchange=st.sampled_from([None, "XNYS"]))))
    optional = [name for name in RAW_COLUMNS["realtime"] if name not in FIRST_COLUMNS["realtime"]]
    drop = data.draw(st.lists(st.sampled_from(optional), unique=True))
    add = data.draw(st.sampled_from([None, "younger"]))
    encoded = encode_rows(raw_table("realtime", records, 0, range(len(records))), raw_format)
    found = decode_rows("realtime", f"x.{raw_format}", recoded("realtime", encoded, raw_format, drop, add))
    assert found.to_pylist() == [
        as_dict(record) | dict.fromkeys(drop) | {"kafka_partition": 0, "kafka_offset": offset}
        for offset, record in enumerate(records)
    ]


@pytest.mark.parametrize("raw_format", ["csv", "parquet"])
def test_an_object_without_a_column_of_the_first_version_is_refused(raw_format: Any) -> None:
    data = encode_rows(raw_table("realtime", [quote()], 0, [1]), raw_format)
    with pytest.raises(pa.ArrowInvalid, match="columns are missing: price, kafka_offset"):
        decode_rows("realtime", f"x.{raw_format}", recoded("realtime", data, raw_format, ["price", "kafka_offset"]))


def test_a_manifest_older_than_its_columns_is_read() -> None:
    fields = msgspec.json.decode(encode(manifest(0, 10)))
    del fields["columns"]
    assert decode_raw("k", msgspec.json.encode(fields)).columns is None


def test_raw_columns_follow_the_contract() -> None:
    assert list(RAW_COLUMNS["realtime"])[:4] == ["symbol", "event_time", "price", "volume"]
    assert RAW_COLUMNS["realtime"]["bid"] == "double"
    assert RAW_COLUMNS["batch"]["is_final"] == "boolean"
    assert list(RAW_COLUMNS["batch"])[-2:] == ["kafka_partition", "kafka_offset"]
