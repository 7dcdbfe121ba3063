"""Daily metrics and windows: ranges, columns, paging, formats, caching."""

import io
import itertools
from datetime import date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient

from support.api import SESSIONS, SYMBOLS, WINDOWS, ApiSite, bars, window
from support.processed import write_batch
from support.waiting import eventually

CSV, ARROW, PARQUET = "text/csv", "application/vnd.apache.arrow.stream", "application/vnd.apache.parquet"


def rows(client: TestClient, path: str, **parameters: Any) -> list[dict[str, Any]]:
    answer = client.get(path, params=parameters)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


def test_a_range_of_sessions_is_what_the_warehouse_has(anonymous: TestClient) -> None:
    found = rows(
        anonymous, "/v1/daily/IBM", **{"from": "2013-01-02", "to": "2013-01-31", "columns": "date,daily_close"}
    )
    expected = [
        {"date": row["date"].isoformat(), "daily_close": row["daily_close"]}
        for row in bars("IBM")
        if date(2013, 1, 2) <= row["date"] <= date(2013, 1, 31)
    ]
    assert found == expected
    assert len(found) == 21


def test_every_column_comes_without_a_choice(anonymous: TestClient) -> None:
    (row,) = rows(anonymous, "/v1/daily/AAPL", order="desc", limit=1)
    assert row["date"] == "2013-03-01"
    assert (row["is_final"], row["exchange"], row["volume_trend"]) == (True, "XNAS", "rising")
    assert row["processed_at"] == "2024-05-14T15:59:00Z"


def test_windows_are_cut_by_their_start(anonymous: TestClient) -> None:
    found = rows(anonymous, "/v1/realtime/AAPL", **{"from": "2013-03-01T15:00:00Z", "to": "2013-03-01T10:30:00-05:00"})
    assert [row["window_start"] for row in found] == ["2013-03-01T15:00:00Z", "2013-03-01T15:15:00Z"]
    assert found[0]["close"] == window(2)["close"]


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("path", ["/v1/daily/MSFT", "/v1/realtime/AAPL", "/v1/indicators/MSFT"])
def test_pages_follow_each_other_without_gap_or_repeat(anonymous: TestClient, path: str, order: str) -> None:
    time = "window_start" if "realtime" in path else "date"
    whole = [row[time] for row in rows(anonymous, path, order=order, columns=time)]
    assert len(whole) == (WINDOWS if "realtime" in path else SESSIONS)
    assert whole == sorted(whole, reverse=order == "desc")
    paged: list[str] = []
    url: str | None = f"{path}?order={order}&limit=10&columns={time}"
    while url:
        answer = anonymous.get(url)
        paged += [row[time] for row in answer.json()["data"]]
        url = answer.links["next"]["url"] if "next" in answer.links else None
        assert (url is None) == (answer.json()["next"] is None)
    assert paged == whole


def test_the_time_need_not_be_chosen_to_page(anonymous: TestClient) -> None:
    first = anonymous.get("/v1/daily/AAPL", params={"columns": "daily_close", "limit": 2}).json()
    assert list(first["data"][0]) == ["daily_close"]
    second = rows(anonymous, "/v1/daily/AAPL", columns="daily_close", limit=1, cursor=first["next"])
    assert second == [{"daily_close": bars("AAPL")[2]["daily_close"]}]


@pytest.mark.parametrize(
    ("path", "media"),
    [
        *itertools.product(["/v1/daily/AAPL", "/v1/realtime/AAPL", "/v1/indicators/AAPL"], [CSV, ARROW, PARQUET]),
        ("/v1/symbols", ARROW),
        ("/v1/symbols", PARQUET),
    ],
)
def test_all_formats_hold_the_same_rows(anonymous: TestClient, path: str, media: str) -> None:
    parameters = {} if path == "/v1/symbols" else {"limit": 7}
    answer = anonymous.get(path, params=parameters, headers={"Accept": media})
    assert answer.headers["content-type"].startswith(media)
    read = {
        CSV: lambda: pa.csv.read_csv(io.BytesIO(answer.content)),
        ARROW: lambda: pa.ipc.open_stream(answer.content).read_all(),
        PARQUET: lambda: pq.read_table(io.BytesIO(answer.content)),
    }[media]()
    expected = rows(anonymous, path, **parameters)
    assert [_comparable(row) for row in read.to_pylist()] == [_comparable(row) for row in expected]
    if parameters:
        assert answer.links["next"]["url"].startswith(f"{path}?limit=7&cursor=")


def _comparable(row: dict[str, Any]) -> dict[str, Any]:
    """Take the types out: CSV has none for whole floats, Arrow has datetimes."""
    shown: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, datetime):
            shown[name] = value.isoformat().replace("+00:00", "Z")
        elif isinstance(value, date):
            shown[name] = value.isoformat()
        else:
            shown[name] = None if value == "" else value
    return shown


def test_csv_of_symbols(anonymous: TestClient) -> None:
    answer = anonymous.get("/v1/symbols", headers={"Accept": CSV})
    assert answer.status_code == 200
    found = pa.csv.read_csv(io.BytesIO(answer.content))
    assert found["symbol"].to_pylist() == list(SYMBOLS)
    assert len(found["spark"][1].as_py().split()) == 40


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        ("*/*", "application/json"),
        ("text/html, text/*;q=0.5", CSV),
        ("application/json;q=0.1, text/csv;q=0.9", CSV),
        ("application/*, application/json;q=0", ARROW),
        (f"text/csv;q=broken, {PARQUET}", PARQUET),
    ],
)
def test_the_best_liked_format_is_taken(anonymous: TestClient, accept: str, media: str) -> None:
    answer = anonymous.get("/v1/daily/AAPL", params={"limit": 1}, headers={"Accept": accept})
    assert answer.headers["content-type"].startswith(media)


def test_a_format_that_is_not_offered(anonymous: TestClient) -> None:
    answer = anonymous.get("/v1/daily/AAPL", headers={"Accept": "image/png"})
    assert answer.status_code == 406
    assert "application/json, text/csv" in answer.json()["detail"]


def test_an_etag_holds_until_rows_of_its_database_are_loaded(own: ApiSite, client_of: Any) -> None:
    client = client_of(own, anonymous_role="reader")

    def tags() -> list[str]:
        return [client.get(path).headers["etag"] for path in ("/v1/daily/AAPL", "/v1/realtime/AAPL")]

    before = tags()
    assert tags() == before
    again = client.get("/v1/realtime/AAPL", headers={"If-None-Match": before[1]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == before[1]
    own.load(write_batch(own.store, "realtime_live", "20130301T220000Z-more", [window(WINDOWS)]))
    eventually(lambda: tags()[1] != before[1], "the new batch changes the ETag of windows")
    assert tags()[0] == before[0]
    answer = client.get("/v1/realtime/AAPL", headers={"If-None-Match": before[1]})
    assert answer.status_code == 200
    assert len(answer.json()["data"]) == WINDOWS + 1


def test_an_answer_is_made_once_for_each_state(own: ApiSite, client_of: Any) -> None:
    client = client_of(own, anonymous_role="operator")
    for _ in range(5):
        client.get("/v1/daily/AAPL?limit=3")
    metrics = client.get("/metrics").text
    assert 'stockpipe_api_cache_total{outcome="miss"} 1.0' in metrics
    assert 'stockpipe_api_cache_total{outcome="hit"} 4.0' in metrics
