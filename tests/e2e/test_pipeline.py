"""From real bars and quotes to a warehouse whose books balance, whatever is broken on the way."""

import json
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e.books import books, settled_books
from e2e.conftest import install, scale_producer
from e2e.kube import (
    NAMESPACE,
    PIPELINE,
    SELECTOR,
    await_ready,
    await_rollout,
    get,
    job_like,
    kubectl,
    pods,
    replace_pod,
    run,
    spark_daily,
)
from support.waiting import eventually

QUOTES, BARS = "stock-market-realtime", "stock-market-batch"
SAMPLE_BARS = 12_154
FIVE_SYMBOLS = "AAPL,FB,GOOG,IBM,MSFT"
# labels of their pods: in charts/platform's plain mode, under the operators
SERVERS = {
    "kafka": ("app.kubernetes.io/instance=platform,app.kubernetes.io/component=kafka", "strimzi.io/broker-role=true"),
    "minio": ("app.kubernetes.io/instance=platform,app.kubernetes.io/component=minio", "v1.min.io/tenant"),
}


def sent_quotes() -> int:
    found = books()
    return found.offsets(QUOTES) if found else 0


def names(selector: str) -> set[str]:
    return {pod["metadata"]["name"] for pod in get("pods", "--selector", selector)["items"]}


def await_quotes(more: int) -> None:
    """Wait until so many more quotes are in Kafka, that is until the pipeline works."""
    before = sent_quotes()
    eventually(lambda: sent_quotes() >= before + more, f"{more} more quotes are in Kafka", 180.0)


def settled_after(before: int) -> None:
    """Stop the producer and check that every quote is accounted for, those sent since `before` too."""
    scale_producer(0)
    eventually(lambda: not pods(f"{SELECTOR},app.kubernetes.io/component=producer"), "the producer has stopped", 90.0)
    found = settled_books()
    assert found.offsets(QUOTES) > before
    assert found.raw_rows(QUOTES) == found.offsets(QUOTES)


def test_years_of_real_bars_reach_the_warehouse() -> None:
    scale_producer(0)
    job_like("producer", "e2e-bars", ["stockpipe-producer", "batch", "--symbols", FIVE_SYMBOLS])
    eventually(lambda: (found := books()) is not None and found.raw_rows(BARS) >= SAMPLE_BARS, "bars are landed", 120.0)
    spark_daily("e2e-daily", "--from-date", "1990-01-01", "--to-date", "2013-12-31")
    assert settled_books().warehouse_rows("daily") == SAMPLE_BARS


def test_live_quotes_reach_the_warehouse(producing: None) -> None:
    before = sent_quotes()
    await_quotes(20)
    settled_after(before)
    found = books()
    assert found is not None
    assert found.warehouse_rows("realtime_live") > 0


def test_the_api_shows_what_was_loaded() -> None:
    if not pods(f"{SELECTOR},app.kubernetes.io/component=api"):
        pytest.skip("no Deployment runs the API here")
    assert json.loads(from_api("/readyz")) == {"status": "ready"}
    assert "<title>stockpipe</title>" in from_api("/")
    assert "LightweightCharts" in from_api("/static/lightweight-charts.js")
    eventually(lambda: symbols_of_api() == FIVE_SYMBOLS.split(","), "the API lists the loaded symbols", 60.0)
    [bar] = json.loads(from_api("/v1/daily/AAPL?from=2012-09-19&to=2012-09-19"))["data"]
    assert (bar["date"], bar["symbol"]) == ("2012-09-19", "AAPL")


def from_api(path: str) -> str:
    """Return what the API's Service answers."""
    return kubectl("get", "--raw", f"/api/v1/namespaces/{NAMESPACE}/services/{PIPELINE}-api:http/proxy{path}")


def symbols_of_api() -> list[Any]:
    return [row["symbol"] for row in json.loads(from_api("/v1/symbols"))["data"]]


def test_every_pod_serves_metrics(producing: None) -> None:
    found = pods()
    assert len(found) >= 6
    for pod in found:
        name = pod["metadata"]["name"]
        path = f"/api/v1/namespaces/{NAMESPACE}/pods/{urllib.parse.quote(name)}:9464/proxy/metrics"
        assert "stockpipe_" in kubectl("get", "--raw", path), name


def test_a_row_can_be_traced_to_its_request() -> None:
    command = ["exec", f"deployment/{PIPELINE}-auditor", "--container=auditor", "--", "stockpipe-auditor", "trace"]
    assert "sample" in kubectl(*command, "--symbol", "AAPL", "--date", "2012-09-19")


def test_helm_test_passes(producing: None) -> None:
    run("helm", "test", PIPELINE, "--namespace", NAMESPACE, "--timeout", "5m")


@pytest.fixture
def broken(producing: None) -> Iterator[None]:
    """Quotes flow before, while and after something is broken, and then everything balances."""
    before = sent_quotes()
    yield
    await_quotes(10)
    settled_after(before)


@pytest.mark.parametrize("workload", ["consumer-realtime", "consumer-batch", "stream", "loader", "auditor", "producer"])
def test_broken_pod(workload: str, broken: None) -> None:
    selector = f"{SELECTOR},app.kubernetes.io/component={workload}"
    if not pods(selector):
        pytest.skip(f"no Deployment runs {workload} here")
    for pod in pods(selector):
        replace_pod(pod["metadata"]["name"], selector, at_once=True)


def test_broken_executor(broken: None) -> None:
    selector = f"{SELECTOR},app.kubernetes.io/component=stream,spark-role=executor"
    if not (executors := names(selector)):
        pytest.skip("the stream is one pod here, without executors")
    kubectl("delete", "pod", *executors, "--grace-period=0", "--force")
    eventually(lambda: bool(names(selector) - executors), "the stream has another executor", 120.0)


@pytest.mark.parametrize("server", SERVERS)
def test_broken_server(server: str, broken: None) -> None:
    running = [selector for selector in SERVERS[server] if pods(selector)]
    if not running:
        pytest.skip(f"charts/platform doesn't run {server} here")
    for pod in pods(running[0]):
        replace_pod(pod["metadata"]["name"], running[0], at_once=False)
    await_ready()


def test_broken_by_rolling_everything(broken: None) -> None:
    kubectl("rollout", "restart", "deployment", "--selector", SELECTOR)
    await_rollout()


def test_broken_by_scaling_consumers(broken: None) -> None:
    name = f"deployment/{PIPELINE}-consumer-realtime"
    for replicas in (3, 1):
        kubectl("scale", name, f"--replicas={replicas}")
        kubectl("rollout", "status", name, "--timeout=5m")
        await_quotes(5)


@pytest.fixture
def ours(request: pytest.FixtureRequest) -> None:
    """The releases are this test's own, to be upgraded and removed."""
    if request.config.getoption("--e2e-installed"):
        pytest.skip("the releases are another program's: its values and images aren't known here")


def test_broken_by_an_upgrade_with_another_value(ours: None, broken: None, tmp_path: Path) -> None:
    changed = tmp_path / "changed.yaml"
    changed.write_text('consumer: {realtime: {env: {FLUSH_SECONDS: "3"}}}')
    install(changed)
    [container] = get("deployment", f"{PIPELINE}-consumer-realtime")["spec"]["template"]["spec"]["containers"]
    assert {"name": "FLUSH_SECONDS", "value": "3"} in container["env"]


def test_uninstalled_and_installed_again_it_goes_on_where_it_was(ours: None) -> None:
    scale_producer(0)
    before = settled_books()
    run("helm", "uninstall", PIPELINE, "--namespace", NAMESPACE, "--wait")
    run("helm", "uninstall", "platform", "--namespace", NAMESPACE, "--wait")
    install()
    quotes = before.offsets(QUOTES)
    await_quotes(10)
    settled_after(quotes)
    after = books()
    assert after is not None
    assert after.warehouse_rows("daily") == SAMPLE_BARS
