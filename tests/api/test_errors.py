"""What is wrong is told as a problem that names the part, the value and the remedy; attacks get no further."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from stockpipe.api.app import build_app
from stockpipe.api.edge import MAX_BODY_BYTES, SECURITY_HEADERS
from support.api import ApiSite

WRONG: list[tuple[str, int, str]] = [
    ("/v1/daily/NOPE", 404, "no symbol 'NOPE' is in the warehouse; /v1/symbols lists those that are"),
    ("/v1/daily/aapl", 422, "path.symbol='aapl'"),
    ("/v1/daily/AAPL?limit=0", 422, "query.limit='0': Input should be greater than or equal to 1"),
    ("/v1/daily/AAPL?limit=10001", 422, "query.limit='10001'"),
    ("/v1/daily/AAPL?from=yesterday", 422, "query.from='yesterday'"),
    ("/v1/daily/AAPL?from=2013-02-01&to=2013-01-01", 422, "query.from=2013-02-01 must be before"),
    ("/v1/daily/AAPL?to=0", 422, "query.to='0': write it as 2013-03-01"),
    ("/v1/realtime/AAPL?from=0.5", 422, "query.from='0.5': write it as"),
    ("/v1/lineage/daily/AAPL/15000", 422, "path.day='15000': write it as"),
    ("/v1/daily/AAPL?order=up", 422, "query.order='up': Input should be 'asc' or 'desc'"),
    ("/v1/daily/AAPL?columns=date,price", 422, "unknown columns ['price']; known are symbol, date, daily_open"),
    ("/v1/daily/AAPL?cursor=zzz", 422, "query.cursor isn't one that this route gave"),
    ("/v1/daily/AAPL?limt=5", 422, "query.limt='5': Extra inputs are not permitted"),
    ("/v1/realtime/AAPL?to=0001-01-01T00:00:00%2B10:00", 422, "is beyond the calendar"),
    ("/v1/correlation?symbols=AAPL", 422, "query.symbols names 1 symbols; give 2 to 30"),
    ("/v1/correlation?symbols=AAPL,NOPE", 404, "no symbol 'NOPE'"),
    ("/v1/lineage/daily/AAPL/2013-03-02", 404, "DAILY_STOCK_METRICS has no row of AAPL at 2013-03-02"),
    ("/v1/nothing", 404, "no such route; /openapi.json lists them"),
]


@pytest.mark.parametrize(("path", "status", "words"), WRONG, ids=[path for path, _, _ in WRONG])
def test_what_is_wrong_is_named(anonymous: TestClient, path: str, status: int, words: str) -> None:
    answer = anonymous.get(path)
    problem = answer.json()
    assert (answer.status_code, problem["status"]) == (status, status)
    assert answer.headers["content-type"] == "application/problem+json"
    assert words in problem["detail"]
    assert problem["instance"] == answer.headers["x-request-id"]


@pytest.mark.parametrize(("method", "path"), [("DELETE", "/v1/daily/AAPL"), ("GET", "/v1/portfolio"), ("PUT", "/")])
def test_a_method_that_a_route_does_not_have(anonymous: TestClient, method: str, path: str) -> None:
    answer = anonymous.request(method, path)
    assert answer.status_code == 405
    assert answer.headers["content-type"] == "application/problem+json"
    assert "allow" in answer.headers


ATTACKS = [
    "/v1/daily/AAPL'%20OR%20'1'='1",
    "/v1/daily/AAPL;DROP%20TABLE%20LOADED_BATCHES",
    "/v1/daily/AAPL?columns=date,(SELECT%201)",
    "/v1/daily/AAPL?columns=*",
    "/v1/daily/AAPL?columns=date%20FROM%20STOCKMARKETBATCH.LOADED_BATCHES--",
    "/v1/daily/AAPL?order=asc;DROP%20TABLE%20x",
    "/v1/daily/AAPL?limit=1%20UNION%20SELECT%201",
    "/v1/daily/AAPL?cursor=IicgT1IgJzEnPScxIg",
    "/v1/realtime/AAPL?from='%20OR%201=1--",
    "/v1/correlation?symbols=AAPL,IBM'--",
    "/v1/daily/..%2f..%2f..%2fetc%2fpasswd",
    "/v1/lineage/daily/AAPL/..%2f..%2fetc",
    "/static/../settings.py",
    "/static/..%2fsettings.py",
    "/static/%2e%2e/%2e%2e/etc/passwd",
    "/static//etc/passwd",
    "/static/\\..\\settings.py",
    "/static",
    "/v1/symbols/",
    "//evil.example/v1/symbols/",
    "/v1/daily/AAPL%00",
    "/v1/daily/%F0%9F%92%A3",
    "/v1/symbols?cursor=%0d%0aSet-Cookie:%20a=b",
    "/v1/symbols?limit=" + "9" * 5000,
]


@pytest.mark.parametrize("path", ATTACKS)
def test_an_attack_by_path_or_query_gets_no_further(anonymous: TestClient, path: str) -> None:
    answer = anonymous.get(path, follow_redirects=False)
    assert answer.status_code in {404, 422}
    assert answer.headers["content-type"] == "application/problem+json"
    assert not {"set-cookie", "location"} & set(answer.headers)
    assert "root:" not in answer.text
    assert "class ServeSettings" not in answer.text


def test_the_tables_are_unharmed_after_all_attacks(anonymous: TestClient) -> None:
    for path in ATTACKS:
        anonymous.get(path)
    assert len(anonymous.get("/v1/symbols").json()["data"]) == 3


@pytest.mark.parametrize("given", ["a b", "x" * 65, "<script>", "é"])
def test_an_id_of_a_request_is_taken_over_only_if_it_is_harmless(anonymous: TestClient, given: str) -> None:
    answer = anonymous.get("/healthz", headers={b"X-Request-ID": given.encode()})
    assert answer.headers["x-request-id"] != given
    assert anonymous.get("/healthz", headers={"X-Request-ID": "trace-1.2"}).headers["x-request-id"] == "trace-1.2"


@pytest.mark.parametrize("path", ["/", "/v1/symbols", "/v1/nothing", "/static/app.js", "/healthz"])
def test_every_answer_carries_the_security_headers(anonymous: TestClient, path: str) -> None:
    answer = anonymous.get(path)
    assert {name: answer.headers.get(name) for name in SECURITY_HEADERS} == SECURITY_HEADERS
    assert "server" not in answer.headers


def test_other_sites_may_not_read_unless_a_setting_names_them(shared: ApiSite, client_of: Any) -> None:
    origin = {"Origin": "https://charts.example"}
    closed = client_of(shared, anonymous_role="reader")
    assert "access-control-allow-origin" not in closed.get("/v1/symbols", headers=origin).headers
    opened = client_of(shared, anonymous_role="reader", cors_origins=("https://charts.example",))
    answer = opened.get("/v1/symbols", headers=origin)
    assert answer.headers["access-control-allow-origin"] == "https://charts.example"
    other = opened.get("/v1/symbols", headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in other.headers


def test_a_body_may_not_be_endless(anonymous: TestClient) -> None:
    answer = anonymous.post("/v1/portfolio", content=b"[" * (MAX_BODY_BYTES + 1))
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80@x", "a" * 300])
def test_no_answer_is_made_from_the_host_header(anonymous: TestClient, host: str) -> None:
    answer = anonymous.get("/v1/daily/AAPL?limit=1", headers={"Host": host, "X-Forwarded-Host": host})
    assert answer.status_code == 200
    assert host not in str(answer.headers)
    assert answer.headers["link"].startswith("</v1/daily/AAPL?")


def test_a_failing_warehouse_is_told_without_its_secrets(own: ApiSite, client_of: Any) -> None:
    client = client_of(own, anonymous_role="reader")
    own.execute("DROP TABLE STOCKMARKETBATCH.DAILY_STOCK_METRICS")
    client.app.state.warehouse.renew()
    answer = client.get("/v1/daily/AAPL?limit=9")
    assert answer.status_code == 500
    assert "DAILY_STOCK_METRICS" not in answer.text
    assert "DAILY_STOCK_METRICS" in own.logged.getvalue()
    assert answer.headers["x-request-id"] in own.logged.getvalue()


def test_an_unreachable_warehouse_is_503_and_what_was_read_is_still_served(own: ApiSite, client_of: Any) -> None:
    client = client_of(own, anonymous_role="reader")
    assert client.get("/v1/daily/AAPL?limit=9").status_code == 200
    snapshot = own.database.with_name(f"{own.database.name}.snapshot")
    snapshot.unlink()
    client.app.state.warehouse.renew()
    fresh = client.get("/v1/daily/AAPL?limit=8")
    assert (fresh.status_code, fresh.headers["retry-after"]) == (503, "5")
    assert str(snapshot) not in fresh.text
    assert client.get("/v1/daily/AAPL?limit=9").status_code == 200
    assert client.get("/readyz").status_code == 200


def test_before_the_first_look_it_is_not_ready(own: ApiSite, client_of: Any) -> None:
    own.database.with_name(f"{own.database.name}.snapshot").unlink()
    with TestClient(build_app(own.parts(anonymous_role="reader"))) as client:
        assert client.get("/healthz").status_code == 200
        assert client.get("/readyz").status_code == 503
        assert client.get("/v1/symbols").status_code == 503
