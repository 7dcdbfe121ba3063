"""The dashboard on the whole running pipeline, as `make up` starts it, in a real browser."""

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect

from stockpipe.producer.sources.sample_data import sample_rows
from support.browsing import GONE, launched, needs_chromium, watched
from support.standing import read_until, starting
from support.waiting import eventually

pytestmark = needs_chromium


@pytest.fixture
def address() -> Iterator[str]:
    """The address that `up` prints."""
    with starting("up") as process:
        try:
            seen, _run = read_until(process, "the dashboard is at")
            yield re.findall(r"the dashboard is at (\S+)/", seen)[0]
            assert process.poll() is None
        finally:
            os.killpg(process.pid, signal.SIGINT)
            process.communicate(timeout=60)
    assert process.returncode == 0


def api_process(address: str) -> int | None:
    """Return the id of the process that serves the address."""
    port = address.rpartition(":")[2].encode()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if any(each.endswith(b"/stockpipe-api") for each in arguments) and port in arguments:
            return int(process.name)
    return None


def test_the_dashboard_follows_the_running_pipeline(address: str) -> None:
    with launched() as browser, watched(browser, address) as seen:
        page = seen.page
        seen.open("#/MSFT")
        expect(page.locator(".symbol-name")).to_have_text(["AAPL", "FB", "GOOG", "IBM", "MSFT"], timeout=300_000)
        expect(page.locator("#live")).to_have_text("Live")
        price = page.locator("#price")

        def newest_is_shown() -> bool:
            newest = httpx.get(f"{address}/v1/realtime/MSFT?order=desc&limit=1&columns=close").json()["data"]
            return bool(newest) and f"{newest[0]['close']:,.2f}" == price.inner_text()

        def await_a_new_price() -> None:
            before = price.inner_text()
            expect(price).not_to_have_text(before, timeout=60_000)
            eventually(newest_is_shown, "the newest window's last price is shown")

        await_a_new_price()
        real = sample_rows()["MSFT"][-1]
        legend = page.locator("#legend")
        expect(legend).to_contain_text(f"O {float(real['Open']):.2f}", timeout=300_000)
        expect(legend).to_contain_text(f"C {float(real['Close']):.2f}")

        killed = api_process(address)
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        expect(page.locator("#live")).to_have_text("Reconnecting")
        expect(page.locator("#live")).to_have_text("Live", timeout=60_000)
        assert api_process(address) != killed
        await_a_new_price()
        seen.forgive(GONE)
