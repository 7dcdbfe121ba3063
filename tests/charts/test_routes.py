"""The way from outside to the API: by TLS alone, to its Service, from the proxy's namespace alone."""

import pytest

from stockpipe.standalone.go_programs import HELM_4
from support.charts import NAMESPACE, PIPELINE, Document, Rendering, render, run_helm

SMALL, _KIND, PRODUCTION, AWS, GCP = PIPELINE[:5]
INGRESS = (
    "api.enabled=true",
    "api.env.TRUSTED_PROXIES=10.244.0.0/16",
    "api.ingress.enabled=true",
    "api.ingress.className=traefik",
    "api.ingress.host=stocks.example.com",
    "api.ingress.tlsSecret=stocks-tls",
    "networkPolicy.enabled=true",
    "networkPolicy.ingressNamespace=traefik",
)
OWN = Rendering("stock-pipeline", SMALL.files, INGRESS)


def of_kind(rendering: Rendering, *kinds: str) -> list[Document]:
    return [each for each in render(HELM_4, rendering) if each["kind"] in kinds]


def test_there_is_no_way_from_outside_unless_values_say_so() -> None:
    assert of_kind(SMALL, "Ingress", "HTTPRoute") == []


@pytest.mark.parametrize(("rendering", "secret"), [(OWN, "stocks-tls"), (AWS, None), (GCP, None)], ids=str)
def test_an_ingress_ends_tls_for_its_host_and_leads_to_the_service(rendering: Rendering, secret: str | None) -> None:
    (ingress,) = of_kind(rendering, "Ingress", "HTTPRoute")
    (rule,), (tls,) = ingress["spec"]["rules"], ingress["spec"]["tls"]
    assert tls == {"hosts": [rule["host"]]} | ({"secretName": secret} if secret else {})
    (path,) = rule["http"]["paths"]
    assert (path["path"], path["pathType"]) == ("/", "Prefix")
    assert path["backend"]["service"]["port"]["name"] in ports_of(rendering, path["backend"]["service"]["name"])


def test_a_route_hangs_on_the_https_listener_and_leads_to_the_service() -> None:
    (route,) = of_kind(PRODUCTION, "Ingress", "HTTPRoute")
    assert [each["sectionName"] for each in route["spec"]["parentRefs"]] == ["https"]
    for rule in route["spec"]["rules"]:
        (backend,) = rule["backendRefs"]
        assert backend["port"] in ports_of(PRODUCTION, backend["name"])


def test_the_stream_has_no_time_limit() -> None:
    (route,) = of_kind(PRODUCTION, "HTTPRoute")
    (timeouts,) = [rule["timeouts"] for rule in route["spec"]["rules"] if "/v1/stream" in str(rule.get("matches"))]
    assert timeouts == {"request": "0s"}


def ports_of(rendering: Rendering, service: str) -> set[object]:
    (found,) = [each for each in of_kind(rendering, "Service") if each["metadata"]["name"] == service]
    return {value for port in found["spec"]["ports"] for value in (port["name"], port["port"])}


@pytest.mark.parametrize(("rendering", "namespace"), [(OWN, "traefik"), (PRODUCTION, "envoy-gateway-system")], ids=str)
def test_only_the_proxys_namespace_reaches_the_api(rendering: Rendering, namespace: str) -> None:
    policies = {each["metadata"]["name"]: each["spec"] for each in of_kind(rendering, "NetworkPolicy")}
    (rule,) = policies["stock-pipeline-api"]["ingress"]
    assert rule["from"] == [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}]
    (base,) = policies["stock-pipeline"]["ingress"]
    assert {port["port"] for port in rule["ports"]}.isdisjoint(port["port"] for port in base["ports"])


@pytest.mark.parametrize("rendering", [OWN, PRODUCTION], ids=str)
def test_the_notes_say_the_address(rendering: Rendering) -> None:
    done = run_helm(HELM_4, "install", "--dry-run=client", f"--namespace={NAMESPACE}", *rendering.arguments)
    assert "https://stocks.example.com/" in done.stdout, done.stderr
