from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from stockpipe.common import calendar
from stockpipe.common.errors import ConfigError
from stockpipe.producer.symbols import _EXCHANGES, Instrument, exchange_of, instruments


@pytest.mark.parametrize(
    ("symbol", "exchange"),
    [
        ("AAPL", "XNYS"),
        ("BRK-B", "XNYS"),
        ("^GSPC", "XNYS"),
        ("VOD.L", "XLON"),
        ("SAP.DE", "XETR"),
        ("7203.T", "XTKS"),
        ("SHOP.TO", "XTSE"),
        ("0700.HK", "XHKG"),
        ("MC.PA", "XPAR"),
        ("ASML.AS", "XAMS"),
        ("NESN.SW", "XSWX"),
        ("BHP.AX", "XASX"),
        ("BTC-USD", "24/7"),
        ("EURUSD=X", "24/5"),
    ],
)
def test_the_exchange_follows_from_the_suffix(symbol: str, exchange: str) -> None:
    assert exchange_of(symbol) == exchange


def test_every_exchange_of_the_table_has_a_calendar() -> None:
    import exchange_calendars

    assert set(_EXCHANGES.values()) <= set(exchange_calendars.get_calendar_names())


@pytest.mark.parametrize(
    ("exchange", "day", "opens", "closes"),
    [
        ("XNYS", date(2026, 11, 27), "14:30", "18:00"),  # half day after Thanksgiving
        ("XNYS", date(2026, 11, 2), "14:30", "21:00"),  # first Monday of winter time
        ("XNYS", date(2026, 10, 30), "13:30", "20:00"),
        ("XLON", date(2026, 12, 24), "08:00", "12:30"),  # half day
        ("XTKS", date(2026, 11, 24), "00:00", "06:30"),
        ("24/7", date(2026, 11, 22), "00:00", "00:00"),  # a Sunday
    ],
)
def test_sessions_know_half_days_and_changes_of_the_clocks(exchange: str, day: date, opens: str, closes: str) -> None:
    (session,) = calendar.sessions(exchange, day, day)
    assert (f"{session.open:%H:%M}", f"{session.close:%H:%M}") == (opens, closes)


@pytest.mark.parametrize(
    ("exchange", "day"),
    [
        ("XNYS", date(2026, 11, 26)),
        ("XTKS", date(2026, 11, 23)),
        ("XLON", date(2026, 12, 25)),
        ("24/5", date(2026, 11, 22)),
    ],
)
def test_a_holiday_has_no_session(exchange: str, day: date) -> None:
    assert calendar.sessions(exchange, day, day) == ()


@pytest.mark.parametrize(
    ("exchange", "at", "session"),
    [
        ("XNYS", datetime(2026, 11, 24, 8, 59, tzinfo=UTC), "closed"),
        ("XNYS", datetime(2026, 11, 24, 9, 0, tzinfo=UTC), "pre"),
        ("XNYS", datetime(2026, 11, 24, 14, 30, tzinfo=UTC), "regular"),
        ("XNYS", datetime(2026, 11, 24, 21, 0, tzinfo=UTC), "regular"),
        ("XNYS", datetime(2026, 11, 24, 21, 0, 1, tzinfo=UTC), "post"),
        ("XNYS", datetime(2026, 11, 25, 1, 0, 1, tzinfo=UTC), "closed"),
        ("XNYS", datetime(2026, 11, 27, 18, 30, tzinfo=UTC), "post"),
        ("XNYS", datetime(2026, 11, 26, 15, 0, tzinfo=UTC), "closed"),
        ("XLON", datetime(2026, 11, 24, 7, 0, tzinfo=UTC), "closed"),
        ("XTKS", datetime(2026, 11, 24, 3, 0, tzinfo=UTC), "regular"),
    ],
)
def test_the_part_of_the_trading_day(exchange: str, at: datetime, session: str) -> None:
    assert calendar.market_session(exchange, at) == session


def test_a_file_gives_exchange_and_currency(tmp_path: Path) -> None:
    path = tmp_path / "symbols.csv"
    path.write_text("symbol,exchange,currency\nAAPL,,\nIOT.L,XLON,USD\nODD.XX,XSTO,SEK\n")
    assert instruments((), path, ("equity",)) == [
        Instrument("AAPL", "XNYS"),
        Instrument("IOT.L", "XLON", "USD"),
        Instrument("ODD.XX", "XSTO", "SEK"),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ticker\nAAPL\n", "the first line must be symbol,exchange,currency"),
        ("symbol\naapl\n", "line 2: 'aapl' is no ticker"),
        ("symbol,exchange,currency\nAAPL,,usd\n", "line 2: 'usd' is no ISO 4217 currency"),
        ("symbol\nAAPL\nAAPL\n", "a symbol is there twice"),
        ("symbol\n", "no symbol is there"),
    ],
)
def test_a_wrong_file_is_named_with_its_line(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "symbols.csv"
    path.write_text(text)
    with pytest.raises(ConfigError, match=words):
        instruments((), path, ("equity",))


def test_a_missing_file_and_an_unknown_suffix_are_named() -> None:
    with pytest.raises(ConfigError, match=r"SYMBOLS_FILE 'nowhere\.csv' can't be read"):
        instruments((), Path("nowhere.csv"), ("equity",))
    with pytest.raises(ConfigError, match=r"exchange of 'BRK\.B' is unknown; give it in SYMBOLS_FILE"):
        instruments(("BRK.B",), None, ("equity",))


def test_other_asset_classes_are_off_until_switched_on() -> None:
    with pytest.raises(ConfigError, match="BTC-USD is crypto; to collect it set ASSET_CLASSES"):
        instruments(("BTC-USD",), None, ("equity",))
    assert [each.exchange for each in instruments(("BTC-USD", "EURUSD=X"), None, ("crypto", "forex"))] == [
        "24/7",
        "24/5",
    ]
