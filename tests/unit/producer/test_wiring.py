"""What is said when a source of the network lacks a setting, and which calls a command line leads to."""

import threading
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from pydantic import ValidationError

from stockpipe.common import calendar
from stockpipe.common.errors import ConfigError, Unavailable
from stockpipe.common.metrics import ProducerMetrics
from stockpipe.producer.batch import bar_lines
from stockpipe.producer.check import check_sources
from stockpipe.producer.realtime import open_symbols, quote_lines, rounds
from stockpipe.producer.settings import BatchSettings, CheckSettings, RealtimeSettings
from stockpipe.producer.sources.errors import RateLimited
from stockpipe.producer.sources.line import Line
from stockpipe.producer.symbols import Instrument
from stockpipe.producer.wiring import Wiring
from support.clocks import ManualClock
from support.landing import quiet_log
from unit.producer.test_batch import Run, Scripted

KEY = "S3CR3TKEY"


def realtime(tmp_path: Path, **changes: Any) -> tuple[RealtimeSettings, Wiring]:
    values: dict[str, Any] = {"kafka_bootstrap_server": "nowhere:1", "lake_url": f"file://{tmp_path}/lake"}
    values |= {"yahoo_cache_folder": tmp_path / "cache"}
    settings = RealtimeSettings(**(values | changes))
    return settings, Wiring(settings, ManualClock(), ProducerMetrics(CollectorRegistry()), quiet_log())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sources": "yahoo", "lake_url": None}, "source yahoo needs LAKE_URL"),
        (
            {"sources": "alphavantage", "alpha_vantage_plan": "premium-75"},
            "needs ALPHA_VANTAGE_API_KEY",
        ),
        ({"sources": "alphavantage", "alpha_vantage_api_key": KEY}, "quotes only with a premium plan"),
        ({"sources": "yahoo", "symbols": "BRK.B"}, "give it in SYMBOLS_FILE"),
        ({"sources": "yahoo", "symbols": "BTC-USD"}, "set ASSET_CLASSES"),
    ],
)
def test_a_missing_setting_is_named(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    settings, wiring = realtime(tmp_path, **changes)
    with pytest.raises(ConfigError, match=words) as found:
        quote_lines(settings, None, wiring)
    assert KEY not in str(found.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sources": "bloomberg"}, "known are sample, replay, yahoo, alphavantage"),
        ({"yahoo_budget": "60 a minute"}, "want CALLS/PERIOD"),
        ({"alpha_vantage_reset_zone": "Eastern"}, "no such time zone"),
        ({"asset_classes": "bonds"}, "known are equity, crypto, forex"),
        ({"alpha_vantage_plan": "gold"}, "free"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        realtime(tmp_path, **changes)


def test_the_key_comes_from_a_file_and_is_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "key"
    path.write_text(f"{KEY}\n")
    monkeypatch.setenv("ALPHA_VANTAGE_API_KEY_FILE", str(path))
    settings, wiring = realtime(tmp_path, sources="alphavantage", alpha_vantage_plan="premium-75")
    assert settings.alpha_vantage_api_key is not None
    assert settings.alpha_vantage_api_key.get_secret_value() == KEY
    assert KEY not in repr(settings) + str(settings)
    (line,) = quote_lines(settings, None, wiring)
    assert (line.name, line.left) == ("alphavantage", 74)


def test_a_free_key_is_passed_over_for_quotes_where_another_source_is_there(tmp_path: Path) -> None:
    settings, wiring = realtime(tmp_path, sources="sample,alphavantage", symbols="AAPL")
    assert [line.name for line in quote_lines(settings, None, wiring)] == ["sample"]


def test_a_past_session_is_not_asked_of_the_network(tmp_path: Path) -> None:
    settings, wiring = realtime(tmp_path, sources="yahoo", session_date="2013-03-01")
    session = calendar.session("XNYS", date(2013, 3, 1))
    metrics = ProducerMetrics(CollectorRegistry())
    with pytest.raises(ConfigError, match="others only know now"):
        rounds(settings, session, wiring, ManualClock(), threading.Event(), metrics, quiet_log())


def test_each_symbol_follows_its_own_exchange() -> None:
    exchange_of = {"AAPL": "XNYS", "VOD.L": "XLON", "7203.T": "XTKS", "BTC-USD": "24/7"}
    asked = {
        hour: open_symbols(exchange_of, datetime(2026, 11, 24, hour, 30, tzinfo=UTC), always=False)
        for hour in (1, 9, 15, 20, 23)
    }
    assert asked == {
        1: ["7203.T", "BTC-USD"],
        9: ["VOD.L", "BTC-USD"],
        15: ["AAPL", "VOD.L", "BTC-USD"],
        20: ["AAPL", "BTC-USD"],
        23: ["BTC-USD"],
    }


def test_the_order_of_sources_is_kept(tmp_path: Path) -> None:
    settings = BatchSettings(
        kafka_bootstrap_server="nowhere:1",
        sources=("alphavantage", "sample"),
        lake_url=f"file://{tmp_path}",
        alpha_vantage_api_key=KEY,
    )
    wiring = Wiring(settings, ManualClock(), ProducerMetrics(CollectorRegistry()), quiet_log())
    assert [line.name for line in bar_lines(settings, wiring)] == ["alphavantage", "sample"]


def check(source: Scripted) -> dict[str, str]:
    run = Run(source)
    line: Line[Any] = Line(source.name, source, None, source.meter)
    metrics = ProducerMetrics(CollectorRegistry())
    return check_sources([line], Instrument("AAPL", "XNYS"), run.clock, lambda: "abc123", metrics)


def test_check_says_what_the_newest_session_is_or_what_to_do() -> None:
    source = Scripted("yahoo")
    assert check(source) == {"yahoo": "2026-11-24"}
    source.answer = lambda _query: RateLimited("yahoo", "AAPL", "429")
    with pytest.raises(Unavailable, match="source yahoo, AAPL: 429; check the network and its proxy, or use SOURCES"):
        check(source)
    assert CheckSettings(sources="yahoo").sources == ("yahoo",)
