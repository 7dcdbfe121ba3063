"""The same answers from Snowflake."""

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from support.api import SYMBOLS, WINDOWS, ApiSite, SnowflakeApiSite, filled, window
from support.processed import write_batch
from support.waiting import eventually

PATHS = [
    "/v1/symbols",
    "/v1/daily/IBM?from=2013-02-01&to=2013-02-20&order=desc",
    "/v1/daily/AAPL?columns=date,daily_close,is_final,transform_version,processed_at&limit=3",
    "/v1/realtime/AAPL?from=2013-03-01T15:00:00Z&limit=5",
    "/v1/indicators/MSFT?limit=30",
    "/v1/returns/MSFT?from=2013-01-01",
    "/v1/anomalies/AAPL",
    "/v1/correlation?symbols=AAPL,MSFT",
]


@pytest.fixture(scope="module")
def snowflake(tmp_path_factory: pytest.TempPathFactory, snowflake_server: str) -> ApiSite:
    return filled(SnowflakeApiSite(tmp_path_factory.mktemp("api"), server=snowflake_server, schema="API_TEST"))


@pytest.fixture(scope="module")
def client(snowflake: ApiSite) -> Iterator[TestClient]:
    with snowflake.client(anonymous_role="operator", rate_limit_per_minute=0) as client:
        yield client


@pytest.mark.parametrize("path", PATHS)
def test_both_dialects_answer_alike(client: TestClient, anonymous: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    assert answer.json() == anonymous.get(path).json()
    assert answer.json()["data"]


def test_a_batch_that_is_loaded_is_seen_by_a_reader_that_was_open(client: TestClient, snowflake: ApiSite) -> None:
    before = client.get("/v1/realtime/AAPL")
    assert len(before.json()["data"]) == WINDOWS
    snowflake.load(write_batch(snowflake.store, "realtime_live", "20130301T220000Z-more", [window(WINDOWS)]))
    eventually(lambda: client.get("/v1/realtime/AAPL").headers["etag"] != before.headers["etag"], "a new ETag")
    assert len(client.get("/v1/realtime/AAPL").json()["data"]) == WINDOWS + 1
    assert [row["symbol"] for row in client.get("/v1/symbols").json()["data"]] == list(SYMBOLS)
