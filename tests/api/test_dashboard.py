"""The dashboard in a real browser: what it shows, live, after a restart, by keyboard, on small and large screens."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from stockpipe.common.contracts.books import Finding
from support.api import SYMBOLS, WINDOWS, ApiSite, bars, window
from support.browsing import GONE, Seen, launched, needs_chromium, watched
from support.operations import landed, publish
from support.processed import write_batch
from support.served import Served, serving

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


@pytest.fixture(scope="module")
def api(shared: ApiSite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("dashboard")
    shutil.copytree(shared.folder, folder, dirs_exist_ok=True)
    site = ApiSite(folder)
    landed(site)
    publish(site)
    with serving(site, "--anonymous-role", "operator", "--rate-limit-per-minute", "0") as served:
        yield served


@pytest.fixture
def seen(browser: Browser, api: Served) -> Iterator[Seen]:
    """A page of 1920 x 1080 that must have no error and ask no other host."""
    with watched(browser, api.url) as seen:
        yield seen


def test_every_symbol_is_listed_with_its_price(seen: Seen) -> None:
    seen.open()
    expect(seen.page.locator(".symbol-name")).to_have_text(list(SYMBOLS))
    ibm = bars("IBM")[-1]
    shown = seen.page.locator("[data-symbol=IBM]")
    expect(shown.locator(".symbol-price")).to_have_text(f"{ibm['daily_close']:.2f}")
    expect(shown.locator(".symbol-age")).to_have_text("1 Mar 2013")
    assert len(str(shown.locator("polyline").get_attribute("points")).split(" ")) == 40


def test_the_chart_shows_the_sessions_of_the_chosen_symbol(seen: Seen) -> None:
    seen.open("#/MSFT")
    last = bars("MSFT")[-1]
    expect(seen.page.locator("h1#name")).to_have_text("MSFT")
    expect(seen.page.locator("#legend")).to_contain_text(f"O {last['daily_open']:.2f}")
    expect(seen.page.locator("#legend")).to_contain_text("SMA 50")
    assert seen.page.locator("#chart canvas").count() > 4
    expect(seen.page.locator("#stats")).to_contain_text("RSI 14")


def test_ranges_and_layers_change_the_chart(seen: Seen) -> None:
    seen.open("#/AAPL")
    expect(seen.page.locator("#stats")).to_contain_text("Range shown")
    before = seen.page.locator("#stats").inner_text()
    seen.page.get_by_role("button", name="3M").click()
    expect(seen.page.locator("#stats")).not_to_have_text(before)
    panes = "document.querySelectorAll('#chart table tr').length"
    count = seen.page.evaluate(panes)
    seen.page.get_by_role("button", name="ATR 14").click()
    assert seen.page.evaluate(panes) > count
    expect(seen.page.get_by_role("button", name="ATR 14")).to_have_attribute("aria-pressed", "true")


def test_a_new_quote_arrives_without_a_reload_and_after_a_restart(browser: Browser, own: ApiSite) -> None:
    with serving(own, "--anonymous-role", "operator") as api, watched(browser, api.url) as seen:
        seen.open("#/AAPL")
        seen.page.get_by_role("button", name="Intraday").click()
        expect(seen.page.locator("#legend")).to_contain_text("C 432.70")
        price = seen.page.locator("#price")
        _load(own, WINDOWS, 451.25)
        expect(price).to_have_text("451.25")
        expect(seen.page.locator("#legend")).to_contain_text("C 451.25")
        expect(seen.page.locator("[data-symbol=AAPL] .symbol-price")).to_have_text("451.25")

        api.stop()
        expect(seen.page.locator("#live")).to_have_text("Reconnecting")
        _load(own, WINDOWS + 1, 462.5)
        api.start()
        expect(seen.page.locator("#live")).to_have_text("Live")
        expect(price).to_have_text("462.50")
        seen.forgive(GONE)


def _load(site: ApiSite, number: int, price: float) -> None:
    row = window(number, close=price, high=price)
    site.load(write_batch(site.store, "realtime_live", f"20130302T00{number:02d}00Z-more", [row]))


def test_a_click_leads_to_where_the_numbers_came_from(seen: Seen) -> None:
    seen.open("#/AAPL")
    seen.page.get_by_role("button", name="Intraday").click()
    expect(seen.page.locator("#legend")).to_contain_text("21:00")
    chart = seen.page.locator("#chart")
    chart.focus()
    for _ in range(3):
        seen.page.keyboard.press("Shift+ArrowLeft")
    expect(seen.page.locator("#legend")).to_contain_text("2013-03-01 14:30")
    seen.page.keyboard.press("Enter")
    way = seen.page.locator("#lineage-body")
    expect(way).to_contain_text("STOCKMARKETSTREAM.REALTIME_STOCK_ANALYTICS")
    expect(way).to_contain_text("stock-market-realtime partition 3, offsets 100 to 104")
    expect(way).to_contain_text("20130301T213000Z-windows")
    seen.page.keyboard.press("Escape")
    expect(seen.page.locator("#lineage")).to_be_hidden()
    box = chart.bounding_box()
    assert box is not None
    seen.page.mouse.click(box["x"] + 20, box["y"] + 200)
    expect(way).to_contain_text("offsets 100 to 104")


def test_it_is_used_by_keyboard_alone(seen: Seen) -> None:
    page = seen.page
    seen.open("#/AAPL")
    expect(page.locator("#name")).to_have_text("AAPL")
    page.keyboard.press("ArrowDown")
    expect(page.locator("#name")).to_have_text("IBM")
    page.keyboard.press("/")
    page.keyboard.type("ms")
    expect(page.locator(".symbol-name")).to_have_text(["MSFT"])
    page.keyboard.press("Enter")
    expect(page.locator("#name")).to_have_text("MSFT")
    page.keyboard.press("Escape")
    page.keyboard.press("t")
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    page.keyboard.press("2")
    expect(page.locator("#operations")).to_be_visible()
    page.keyboard.press("1")
    expect(page.locator("#market")).to_be_visible()


def test_operations_show_freshness_dead_letters_and_the_books(seen: Seen) -> None:
    seen.open("#/operations")
    expect(seen.page.locator("#verdict")).to_contain_text("The books balance")
    expect(seen.page.locator("#partitions tbody tr")).to_have_count(1)
    expect(seen.page.locator("#dead")).to_contain_text("not_json")
    expect(seen.page.locator("#fresh-symbols tbody tr")).to_have_count(len(SYMBOLS))
    expect(seen.page.locator("#fresh-datasets")).to_contain_text("20130301T220000Z-daily")


def test_books_that_do_not_balance_are_told(browser: Browser, own: ApiSite) -> None:
    publish(own, findings=[Finding("kafka-raw", "topic partition 3", "2 offsets have <b>no</b> manifest", 2)])
    with serving(own, "--anonymous-role", "operator") as api, watched(browser, api.url) as seen:
        seen.open("#/operations")
        expect(seen.page.locator("#verdict")).to_contain_text("1 findings: the books don't balance")
        expect(seen.page.locator("#verdict")).to_contain_text("2 offsets have <b>no</b> manifest")


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("width", [360, 1920])
@pytest.mark.parametrize("place", ["#/AAPL", "#/operations"])
def test_nothing_is_wider_than_the_screen(browser: Browser, api: Served, width: int, theme: str, place: str) -> None:
    with watched(browser, api.url, width, theme) as seen:
        seen.open(place)
        expect(seen.page.locator("#stats .stat, #fresh-symbols td").first).to_be_visible()
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= width
        assert seen.page.evaluate("document.documentElement.dataset.theme") == theme


def test_without_a_key_the_page_asks_for_one(browser: Browser, own: ApiSite) -> None:
    key = own.key()
    with serving(own) as api, watched(browser, api.url) as seen:
        seen.open("#/IBM")
        field = seen.page.get_by_label("API key")
        field.fill("sp_00000000_wrong")
        seen.page.keyboard.press("Enter")
        expect(seen.page.locator("#sign-in-error")).to_have_text("This key is unknown or revoked.")
        field.fill(key)
        seen.page.keyboard.press("Enter")
        expect(seen.page.locator("#name")).to_have_text("IBM")
        expect(seen.page.locator("#live")).to_have_text("Live")
        assert seen.page.evaluate("JSON.stringify(localStorage)") == "{}"
        seen.forgive(r"401 \(Unauthorized\)")


def test_an_empty_warehouse_says_so_until_rows_are_loaded(browser: Browser, tmp_path: Path) -> None:
    site = ApiSite(tmp_path)
    site.migrate()
    with serving(site, "--anonymous-role", "operator") as api, watched(browser, api.url) as seen:
        seen.open()
        expect(seen.page.locator("#waiting")).to_contain_text("Waiting for the first prices")
        expect(seen.page.locator("#shown")).to_be_hidden()
        site.load(write_batch(site.store, "realtime_live", "20130301T210000Z-stream", [window(0)]))
        expect(seen.page.locator("#name")).to_have_text("AAPL")
        expect(seen.page.locator("#chart-empty")).to_contain_text("No daily bars of AAPL")
        site.load(write_batch(site.store, "daily", "20130301T220000Z-daily", bars("AAPL")))
        expect(seen.page.locator("#legend")).to_contain_text("1 Mar 2013")
        expect(seen.page.locator("#chart-empty")).to_be_hidden()
