"""Who may call: keys and their roles, revocation, anonymous callers, the rate limit, the audit log."""

import json
import subprocess
from typing import Any

import pytest
from starlette.testclient import TestClient

from stockpipe.api.keys import ApiKeys
from stockpipe.api.limits import RateLimit
from support.api import ApiSite
from support.clocks import ManualClock
from support.programs import program_path

READER_ROUTES = ["/v1/symbols", "/v1/daily/AAPL", "/v1/freshness", "/v1/indicators/AAPL"]
OPERATOR_ROUTES = ["/v1/books", "/metrics"]
OPEN_ROUTES = ["/", "/healthz", "/readyz", "/openapi.json", "/static/app.js"]


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def audit(site: ApiSite) -> list[dict[str, Any]]:
    events = [json.loads(line) for line in site.logged.getvalue().splitlines()]
    return [event for event in events if event.get("audit") == "api"]


def test_without_a_key_only_what_holds_no_data_is_open(own: ApiSite, client_of: Any) -> None:
    client: TestClient = client_of(own)
    for path in OPEN_ROUTES:
        assert client.get(path).status_code == 200, path
    for path in [*READER_ROUTES, *OPERATOR_ROUTES, "/v1/stream"]:
        answer = client.get(path)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer"), path
    assert {event["reason"] for event in audit(own)} == {"no_key"}


def test_a_reader_reads_and_is_refused_an_operators_route(own: ApiSite, client_of: Any) -> None:
    client, key = client_of(own), own.key("reader")
    for path in READER_ROUTES:
        assert client.get(path, headers=bearer(key)).status_code == 200, path
    for path in OPERATOR_ROUTES:
        answer = client.get(path, headers=bearer(key))
        assert answer.status_code == 403, path
        assert "needs the role operator; yours is reader" in answer.json()["detail"]
    refusals = audit(own)
    assert [event["path"] for event in refusals] == OPERATOR_ROUTES
    assert {(event["event"], event["reason"], event["caller"]) for event in refusals} == {
        ("access_denied", "role", f"key:{key[3:11]}")
    }


def test_every_call_of_an_operators_route_is_logged(own: ApiSite, client_of: Any) -> None:
    client, key = client_of(own), own.key("operator")
    for path in [*OPERATOR_ROUTES, *READER_ROUTES]:
        assert client.get(path, headers=bearer(key)).status_code == 200, path
    assert [(event["event"], event["path"]) for event in audit(own)] == [("operator_call", p) for p in OPERATOR_ROUTES]


def test_a_revoked_key_is_refused_at_once_by_every_replica(own: ApiSite, client_of: Any) -> None:
    replicas, key = [client_of(own), client_of(own)], own.key()
    assert [client.get("/v1/symbols", headers=bearer(key)).status_code for client in replicas] == [200, 200]
    ApiKeys(own.store).revoke(key[3:11])
    assert [client.get("/v1/symbols", headers=bearer(key)).status_code for client in replicas] == [401, 401]
    assert "unknown or revoked" in replicas[0].get("/v1/symbols", headers=bearer(key)).json()["detail"]


@pytest.mark.parametrize(
    "header",
    [
        "Bearer sp_00000000_" + "A" * 43,
        "Bearer sp_../../../x_" + "A" * 43,
        "Bearer not-a-key",
        "Bearer ",
        "Basic dXNlcjpwYXNz",
        "sp_00000000",
        "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.",
    ],
)
def test_a_wrong_credential_is_refused_even_where_anonymous_callers_may_read(
    own: ApiSite, client_of: Any, header: str
) -> None:
    answer = client_of(own, anonymous_role="reader").get("/v1/symbols", headers={"Authorization": header})
    assert answer.status_code == 401


def test_another_keys_secret_does_not_fit(own: ApiSite, client_of: Any) -> None:
    one, two = own.key(), own.key()
    mixed = one[:12] + two[12:]
    assert client_of(own).get("/v1/symbols", headers=bearer(mixed)).status_code == 401


def test_no_secret_is_kept_or_logged(own: ApiSite, client_of: Any) -> None:
    client, key = client_of(own, anonymous_role="none", log_level="debug"), own.key("operator")
    client.get("/v1/books", headers=bearer(key))
    client.get(f"/v1/symbols?key={key}", headers=bearer(key + "x"))
    secret = key[12:]
    (record,) = [own.store.get(info.key) for info in own.store.list("state/api_keys/")]
    assert secret.encode() not in record
    assert secret not in own.logged.getvalue()
    assert own.logged.getvalue().count("operator_call") == 1


def test_anonymous_callers_read_where_the_setting_says_so(own: ApiSite, client_of: Any) -> None:
    client = client_of(own, anonymous_role="reader")
    assert client.get("/v1/symbols").status_code == 200
    assert client.get("/v1/books").status_code == 403


def test_too_many_requests_are_refused_until_time_has_passed(own: ApiSite, client_of: Any) -> None:
    client = client_of(own, anonymous_role="reader", rate_limit_per_minute=3)
    assert [client.get("/v1/symbols").status_code for _ in range(5)] == [200, 200, 200, 429, 429]
    answer = client.get("/v1/symbols")
    assert answer.headers["retry-after"] == "21"
    clock = client.app.state.clock
    clock.advance(20)
    assert [client.get("/v1/symbols").status_code for _ in range(2)] == [200, 429]
    assert client.get("/healthz").status_code == 200
    assert {event["reason"] for event in audit(own)} == {"rate"}


def test_one_caller_does_not_use_up_anothers_rate() -> None:
    limit = RateLimit(60, ManualClock())
    assert [limit.take("a") for _ in range(61)] == [0.0] * 60 + [1.0]
    assert limit.take("b") == 0.0


def test_who_guesses_keys_is_soon_not_looked_at(own: ApiSite, client_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    monkeypatch.setattr(ApiKeys, "find", lambda _keys, key: looked.append(key))
    client = client_of(own, rate_limit_per_minute=3)
    guesses = [f"sp_{number:08x}_{'A' * 43}" for number in range(5)]
    assert [client.get("/v1/symbols", headers=bearer(guess)).status_code for guess in guesses] == [401] * 3 + [429] * 2
    assert looked == guesses[:3]


def keys(site: ApiSite, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [program_path("stockpipe-api"), "keys", *arguments, "--lake-url", site.lake_url]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_keys_are_made_listed_and_revoked_by_the_command(own: ApiSite, client_of: Any) -> None:
    client = client_of(own)
    made = keys(own, "create", "--name", "grafana", "--role", "operator")
    key = made.stdout.strip()
    assert made.returncode == 0
    assert client.get("/v1/books", headers=bearer(key)).status_code == 200
    listed = keys(own, "list").stdout
    assert f"{key[3:11]}  operator" in listed
    assert "grafana" in listed
    assert key[12:] not in listed
    assert keys(own, "revoke", "--id", key[3:11]).stdout == f"key {key[3:11]} of 'grafana' is revoked\n"
    assert client.get("/v1/books", headers=bearer(key)).status_code == 401
    again = keys(own, "revoke", "--id", key[3:11])
    assert (again.returncode, "no key has the id" in again.stderr) == (1, True)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"listen_host": "0.0.0.0", "anonymous_role": "operator"},
            "ANONYMOUS_ROLE=operator is for a loopback LISTEN_HOST",
        ),
        ({"oidc_issuer": "https://id.example"}, "OIDC_ISSUER and OIDC_AUDIENCE go together"),
        ({"trusted_proxies": "*"}, r"TRUSTED_PROXIES has '\*', which is no address or network"),
        ({"trusted_proxies": "10.0.0.1,10.0.0.1/8"}, "TRUSTED_PROXIES has '10.0.0.1/8', which is no address or"),
        ({"trusted_proxies": "ingress.example"}, "TRUSTED_PROXIES has 'ingress.example', which is no address or"),
        ({"trusted_proxies": "0.0.0.0/0"}, "would believe what any caller says of its address"),
    ],
)
def test_settings_that_would_open_it_are_refused(own: ApiSite, settings: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        own.parts(**settings)
