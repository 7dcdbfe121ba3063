"""Freshness, the books and lineage."""

import json
from typing import Any

import msgspec
from starlette.testclient import TestClient

from stockpipe.common.contracts.books import Finding
from stockpipe.common.lake import layout
from stockpipe.common.lake.folder import FolderStore
from support.api import DAY, ApiSite, bars
from support.operations import landed, publish
from support.raw_lake import land_quotes
from support.records import quote


def test_freshness_counts_open_time_apart(anonymous: TestClient) -> None:
    found = anonymous.get("/v1/freshness").json()
    assert found["now"] == "2013-03-01T21:15:00Z"
    symbols = {each["symbol"]: each for each in found["symbols"]}
    # The last quote is of 21:14:30, the exchange closed at 21:00.
    assert (symbols["AAPL"]["as_of"], symbols["AAPL"]["age_seconds"]) == ("2013-03-01T21:14:30Z", 30)
    assert symbols["AAPL"]["market_seconds"] == 0
    # A daily bar tells its session only, so all of its day counts.
    assert symbols["IBM"]["market_seconds"] == 6.5 * 3600
    assert [each["dataset"] for each in found["datasets"]] == ["daily", "realtime_live"]
    assert found["datasets"][0]["batch_id"] == "20130301T220000Z-daily"


def test_the_books_are_the_auditors_newest_report(own: ApiSite, client_of: Any) -> None:
    client = client_of(own, anonymous_role="operator")
    assert client.get("/v1/books").json() == {
        "audited_at": None,
        "first_day": None,
        "partitions": [],
        "datasets": [],
        "findings": [],
        "dead_letters": {},
    }
    newest = publish(own, findings=[Finding("raw-processed", "a batch", "1 row missing", 1)])
    publish(own, audited_at="2013-03-01T21:13:00.000Z")
    found = client.get("/v1/books").json()
    assert found == json.loads(msgspec.json.encode(newest))
    assert found["datasets"][0]["dropped"] == {"duplicate": 1}


def test_a_window_leads_to_its_requests(own: ApiSite, client_of: Any) -> None:
    landed(own)
    client = client_of(own, anonymous_role="reader")
    found = client.get(f"/v1/lineage/realtime/AAPL/{DAY.isoformat()}?limit=3".replace("+00:00", "Z")).json()
    assert found["table"] == "STOCKMARKETSTREAM.REALTIME_STOCK_ANALYTICS"
    assert found["row"]["window_start"] == "2013-03-01T14:30:00Z"
    assert found["batch"]["batch_id"] == "20130301T213000Z-windows"
    assert found["source_count"] == 5
    assert [source["offset"] for source in found["sources"]] == [104, 103, 102]
    assert [source["fetch_id"] for source in found["sources"]] == ["fetch-4", "fetch-3", "fetch-2"]
    assert all(own.store.get(source["raw_object"]) for source in found["sources"])


def test_a_way_that_retention_has_cut_is_told(own: ApiSite, client_of: Any) -> None:
    client = client_of(own, anonymous_role="reader")
    answer = client.get(f"/v1/lineage/daily/AAPL/{bars('AAPL')[-1]['date']}")
    assert answer.status_code == 404
    assert "no raw row of AAPL is left in the lake" in answer.json()["detail"]


def test_only_the_manifests_of_its_offsets_are_read(own: ApiSite, client_of: Any, monkeypatch: Any) -> None:
    landed(own)
    for start in (0, 105):
        land_quotes(own.store, [quote(event_time="2013-03-01T14:31:00.000Z")], partition=3, start=start)
    read: list[str] = []
    real = FolderStore.get

    def get(store: FolderStore, key: str) -> bytes:
        read.append(key)
        return real(store, key)

    monkeypatch.setattr(FolderStore, "get", get)
    client = client_of(own, anonymous_role="reader")
    assert client.get("/v1/lineage/realtime/AAPL/2013-03-01T14:30:00Z").json()["source_count"] == 5
    manifests = [key for key in read if key.startswith("raw/_manifests")]
    assert manifests == [layout.raw_manifest("stock-market-realtime", 3, 100)]
