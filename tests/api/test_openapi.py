"""The OpenAPI document holds: no answer that it doesn't describe, whatever is sent, and never a 500."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.testclient import TestClient

from stockpipe.api.app import Parts, build_app
from stockpipe.api.settings import ServeSettings
from stockpipe.common.contracts.tables import DAILY_STOCK_METRICS
from support.api import SYMBOLS, ApiSite
from support.clocks import ManualClock
from support.landing import quiet_log
from support.memory_store import MemoryStore
from support.operations import landed
from support.served import serving

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


def document() -> dict[str, Any]:
    settings = ServeSettings(lake_url="file:///none", warehouse_url="duckdb:///none.duckdb")
    app = build_app(Parts(settings, open_reader=pytest.fail, store=MemoryStore(), clock=ManualClock(), log=quiet_log()))
    return app.openapi()


DOCUMENT = document()
OPERATIONS = [(method, path) for path, methods in DOCUMENT["paths"].items() for method in methods]
ENDLESS = "/v1/stream"


@pytest.fixture(scope="module")
def described(shared: ApiSite) -> Iterator[Any]:
    with serving(shared, "--rate-limit-per-minute", "0") as api:
        yield schemathesis.openapi.from_url(f"{api.url}/openapi.json")


@pytest.fixture(scope="module")
def key(shared: ApiSite) -> str:
    return shared.key("operator")


@pytest.mark.parametrize(("method", "path"), [each for each in OPERATIONS if each[1] != ENDLESS])
def test_every_answer_is_described(described: Any, key: str, method: str, path: str) -> None:
    statuses = set()

    @settings(max_examples=20, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(described[path][method.upper()].as_strategy())
    def holds(case: Any) -> None:
        # Half of the names that are drawn become one that exists, which says more.
        name = str(case.path_parameters.get("symbol", ""))
        if len(name) % 2:
            case.path_parameters["symbol"] = SYMBOLS[len(name) % 3]
        answer = case.call_and_validate(checks=CHECKS, headers={"Authorization": f"Bearer {key}"})
        statuses.add(answer.status_code)

    holds()
    assert 401 not in statuses
    assert 200 in statuses or "lineage" in path or path == "/v1/portfolio"


@pytest.mark.parametrize(("method", "path"), [each for each in OPERATIONS if each[1] != ENDLESS])
def test_the_examples_of_a_route_are_requests_that_it_answers(
    own: ApiSite, client_of: Any, method: str, path: str
) -> None:
    landed(own)
    client, operation = client_of(own, anonymous_role="operator"), DOCUMENT["paths"][path][method]
    given: dict[str, dict[str, str]] = {"path": {}, "query": {}}
    for parameter in operation.get("parameters", []):
        said = parameter["schema"]
        if said.get("examples"):
            given[parameter["in"]][parameter["name"]] = said["examples"][0]
        else:
            assert "default" in said or parameter["name"] == "cursor", parameter
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    example = DOCUMENT["components"]["schemas"][body["$ref"].rpartition("/")[2]]["example"] if body else None
    answer = client.request(method, path.format(**given["path"]), params=given["query"], json=example)
    no_raw_bars = path.startswith("/v1/lineage/daily")
    assert answer.status_code == (404 if no_raw_bars else 200), answer.text


def test_every_route_tells_what_it_is_for() -> None:
    for method, path in OPERATIONS:
        operation = DOCUMENT["paths"][path][method]
        assert operation["summary"]
        assert operation["description"]
        for parameter in operation.get("parameters", []):
            assert parameter.get("description") or parameter["schema"].get("description"), (path, parameter)


def test_the_routes_with_data_name_how_to_sign_in() -> None:
    for method, path in OPERATIONS:
        operation = DOCUMENT["paths"][path][method]
        needs_key = path not in ("/healthz", "/readyz")
        assert ("security" in operation, "401" in operation["responses"]) == (needs_key, needs_key), path


def test_the_columns_of_rows_are_the_contracts() -> None:
    row = DOCUMENT["components"]["schemas"]["DailyRow"]["properties"]
    assert list(row) == list(DAILY_STOCK_METRICS.column_names)
    assert {name: said["description"] for name, said in row.items()} == {
        column.name: column.meaning for column in DAILY_STOCK_METRICS.columns
    }


def test_the_document_is_served(anonymous: TestClient) -> None:
    assert anonymous.get("/openapi.json").json() == DOCUMENT
