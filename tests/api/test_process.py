"""The program itself: its stream live, its end in order, its command line."""

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from stockpipe.standalone.ports import free_ports
from support.api import WINDOWS, ApiSite, window
from support.processed import write_batch
from support.programs import program_path
from support.served import Served, serving


@pytest.fixture(scope="module")
def api(shared: ApiSite) -> Iterator[Served]:
    with serving(shared, "--anonymous-role", "reader", "--stream-clients", "1") as served:
        yield served


def test_a_new_batch_reaches_a_listening_client(own: ApiSite) -> None:
    with serving(own, "--anonymous-role", "reader") as api, httpx.stream("GET", f"{api.url}/v1/stream") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.iter_lines()
        assert next(line for line in lines if line.startswith("event")) == "event: symbols"
        own.load(write_batch(own.store, "realtime_live", "20130301T220000Z-more", [window(WINDOWS)]))
        assert next(line for line in lines if line.startswith("event")) == "event: batches"
        assert "20130301T220000Z-more" in next(lines)


def test_sigterm_ends_it_in_order_streams_included(own: ApiSite) -> None:
    flags = ("--anonymous-role", "reader", "--stop-seconds", "300")
    with serving(own, *flags) as api, httpx.stream("GET", f"{api.url}/v1/stream") as answer:
        lines = answer.iter_lines()
        next(lines)
        assert api.stop(seconds=60) == 0
        list(lines)
        assert [event["event"] for event in api.events()] == ["serving", "stopped"]


@pytest.mark.parametrize(
    ("proxies", "address"),
    [((), "127.0.0.1"), (("--trusted-proxies", "127.0.0.0/8"), "203.0.113.9")],
    ids=["unknown", "trusted"],
)
def test_a_proxys_word_on_an_address_counts_where_it_is_trusted(
    own: ApiSite, proxies: tuple[str, ...], address: str
) -> None:
    with serving(own, *proxies) as api:
        # A proxy appends the address that called it to what the caller sent.
        httpx.get(f"{api.url}/v1/books", headers={"X-Forwarded-For": "198.51.100.6, 203.0.113.9"})
        (denied,) = [event for event in api.events() if event["event"] == "access_denied"]
    assert denied["address"] == address


def test_a_proxy_is_told_to_pass_events_on_at_once(api: Served) -> None:
    with httpx.stream("GET", f"{api.url}/v1/stream") as answer:
        assert answer.headers["x-accel-buffering"] == "no"
        assert answer.headers["cache-control"] == "no-store"


def test_too_many_listeners_are_asked_to_come_again(api: Served) -> None:
    with httpx.stream("GET", f"{api.url}/v1/stream") as answer:
        lines = answer.iter_lines()
        next(lines)
        refused = httpx.get(f"{api.url}/v1/stream")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "30")


def test_an_endless_head_is_cut_off(api: Served) -> None:
    with socket.create_connection(("127.0.0.1", api.port)) as sent:
        sent.settimeout(20)
        sent.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: ")
        with contextlib.suppress(ConnectionError):
            for _ in range(64):
                sent.sendall(b"a" * 2**18)
        with contextlib.suppress(ConnectionResetError):
            assert sent.recv(100).startswith(b"HTTP/1.1 400")
        assert httpx.get(f"{api.url}/healthz", headers={"X-Long": "a" * 60_000}).status_code == 200


def test_what_is_no_http_is_logged_as_an_event(own: ApiSite) -> None:
    with serving(own, "--anonymous-role", "reader") as api:
        with socket.create_connection(("127.0.0.1", api.port)) as sent:
            sent.sendall(b"\x16\x03\x01 not http\r\n\r\n")
            sent.recv(100)
        assert api.stop() == 0
        assert {"library_warning"} == {event["event"] for event in api.events()} - {"serving", "stopped"}
        assert all(line.startswith("{") for line in api.log.read_text().splitlines())


def test_a_taken_port_is_named(api: Served) -> None:
    command = [program_path("stockpipe-api"), "serve", "--listen-port", str(api.port)]
    command += ["--lake-url", api.site.lake_url, "--warehouse-url", api.site.url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert f"LISTEN_PORT={api.port} can't be listened on" in done.stderr.splitlines()[-1]


def test_without_a_warehouse_it_waits_until_there_is_one(tmp_path: Path, own: ApiSite) -> None:
    snapshot = own.database.with_name(f"{own.database.name}.snapshot")
    away = snapshot.rename(tmp_path / "away")
    (port,) = free_ports(1)
    command = [program_path("stockpipe-api"), "serve", "--listen-port", str(port), "--anonymous-role", "reader"]
    command += ["--lake-url", own.lake_url, "--warehouse-url", own.url, "--poll-seconds", "0.2"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        first = next(process.stderr)
        seen = first if "poll_failed" in first else next(line for line in process.stderr if "poll_failed" in line)
        assert "has nothing to read yet" in seen
        ready = f"http://127.0.0.1:{port}/readyz"
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                assert httpx.get(ready).status_code == 503
                break
            except httpx.ConnectError:
                continue
        away.rename(snapshot)
        while httpx.get(ready).status_code != 200:
            assert time.monotonic() < deadline
        process.terminate()
        process.stderr.read()
    assert process.returncode == 0
