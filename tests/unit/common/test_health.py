"""/healthz: well while the loop comes round, waits on purpose included; not once it hangs."""

import threading
import urllib.error
import urllib.request

import pytest
from prometheus_client import CollectorRegistry, Counter

from stockpipe.common.errors import ConfigError
from stockpipe.common.health import WatchedClock
from stockpipe.common.service import serve_metrics
from stockpipe.standalone.ports import free_ports
from support.clocks import ManualClock


def test_a_loop_is_overdue_once_it_has_not_come_round_for_the_stall_time() -> None:
    clock = ManualClock()
    watched = WatchedClock(clock, stall_seconds=60)
    clock.advance(60)
    assert watched.overdue_seconds == 0
    clock.advance(5)
    assert watched.overdue_seconds == 5
    watched.monotonic()
    assert watched.overdue_seconds == 0
    clock.advance(65)
    watched.now()
    assert watched.overdue_seconds == 0


def test_a_wait_on_purpose_is_no_stall_but_hanging_after_it_is() -> None:
    clock = ManualClock()
    watched = WatchedClock(clock, stall_seconds=60)
    watched.wait(3600, threading.Event())
    assert watched.overdue_seconds == 0
    clock.advance(61)
    assert watched.overdue_seconds == 1


def test_a_helper_thread_that_lives_on_does_not_hide_the_loop_that_hangs() -> None:
    clock = ManualClock()
    watched = WatchedClock(clock, stall_seconds=60)
    clock.advance(61)
    helper = threading.Thread(target=watched.monotonic)
    helper.start()
    helper.join()
    assert watched.overdue_seconds == 1


def test_healthz_and_metrics_share_a_port() -> None:
    clock, registry = ManualClock(), CollectorRegistry()
    Counter("rounds_total", "Rounds", registry=registry).inc()
    watched = WatchedClock(clock, stall_seconds=60)
    (port,) = free_ports(1)
    serve_metrics(registry, port, watched)
    assert get(port, "/healthz") == (200, "ok\n")
    assert "rounds_total 1.0" in get(port, "/metrics")[1]
    clock.advance(90)
    assert get(port, "/healthz") == (503, "the loop is 30 s overdue\n")
    with pytest.raises(ConfigError, match=rf"METRICS_PORT={port}: .*choose another port"):
        serve_metrics(registry, port, watched)


def get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read().decode()
