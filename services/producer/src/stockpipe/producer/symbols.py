"""Symbols with their exchange and currency: from a file, or from the symbol's suffix as Yahoo writes it."""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from stockpipe.common.contracts.fields import CURRENCY_PATTERN, SYMBOL_PATTERN, check_text
from stockpipe.common.errors import ConfigError

AssetClass = Literal["equity", "crypto", "forex"]
COLUMNS = ("symbol", "exchange", "currency")

_HOME_EXCHANGE = "XNYS"
_EXCHANGES = {
    "AS": "XAMS",
    "AX": "XASX",
    "BO": "XBOM",
    "BR": "XBRU",
    "CO": "XCSE",
    "DE": "XETR",
    "F": "XFRA",
    "HE": "XHEL",
    "HK": "XHKG",
    "JO": "XJSE",
    "KS": "XKRX",
    "L": "XLON",
    "LS": "XLIS",
    "MC": "XMAD",
    "MI": "XMIL",
    "MX": "XMEX",
    "NZ": "XNZE",
    "OL": "XOSL",
    "PA": "XPAR",
    "SA": "BVMF",
    "SI": "XSES",
    "SS": "XSHG",
    "ST": "XSTO",
    "SW": "XSWX",
    "T": "XTKS",
    "TO": "XTSE",
    "VI": "XWBO",
    "WA": "XWAR",
}
_CRYPTO = re.compile(r"[A-Z0-9]+-(USD|EUR|GBP|JPY|USDT|BTC)")


@dataclass(frozen=True)
class Instrument:
    """A symbol, the exchange whose calendar it follows, and its currency where that is known beforehand."""

    symbol: str
    exchange: str
    currency: str | None = None


def asset_class(symbol: str) -> AssetClass:
    """Return what kind of thing Yahoo's spelling names."""
    if symbol.endswith("=X"):
        return "forex"
    return "crypto" if _CRYPTO.fullmatch(symbol) else "equity"


def exchange_of(symbol: str) -> str:
    """Return the calendar of a symbol by its suffix; without one it is a US share or an index.

    Raises:
        ConfigError: the suffix is unknown.
    """
    if (kind := asset_class(symbol)) != "equity":
        return "24/7" if kind == "crypto" else "24/5"
    _stem, dot, suffix = symbol.rpartition(".")
    if not dot:
        return _HOME_EXCHANGE
    if suffix not in _EXCHANGES:
        raise ConfigError(
            f"SYMBOLS (--symbols): the exchange of {symbol!r} is unknown; give it in SYMBOLS_FILE, a CSV of "
            f"{','.join(COLUMNS)} (classes of US shares are spelt BRK-B)"
        )
    return _EXCHANGES[suffix]


def read_symbols(path: Path) -> list[Instrument]:
    """Return the instruments of a CSV file with the columns symbol, exchange, currency; the last two may be empty.

    Raises:
        ConfigError: the file can't be read or a line is wrong; says which.
    """
    try:
        with path.open(newline="") as file:
            lines = csv.DictReader(file)
            if "symbol" not in (lines.fieldnames or ()):
                raise ConfigError(f"SYMBOLS_FILE {str(path)!r}: the first line must be {','.join(COLUMNS)}")
            found = [_instrument(path, lines.line_num, line) for line in lines]
    except OSError as error:
        raise ConfigError(f"SYMBOLS_FILE {str(path)!r} can't be read: {error.strerror}") from error
    names = [each.symbol for each in found]
    if not names or len(set(names)) < len(names):
        raise ConfigError(f"SYMBOLS_FILE {str(path)!r}: {'a symbol is there twice' if names else 'no symbol is there'}")
    return found


def _instrument(path: Path, number: int, line: dict[str, str | None]) -> Instrument:
    symbol, exchange, currency = ((line.get(name) or "").strip() for name in COLUMNS)
    where = f"SYMBOLS_FILE {str(path)!r} line {number}"
    if not check_text(SYMBOL_PATTERN, symbol):
        raise ConfigError(f"{where}: {symbol!r} is no ticker: 1 to 16 of A-Z 0-9 . ^ = -")
    if currency and not check_text(CURRENCY_PATTERN, currency):
        raise ConfigError(f"{where}: {currency!r} is no ISO 4217 currency")
    return Instrument(symbol, exchange or exchange_of(symbol), currency or None)


def instruments(symbols: Sequence[str], file: Path | None, allowed: Sequence[str]) -> list[Instrument]:
    """Return what to collect: the file's instruments if there is one, else `symbols` with exchanges by suffix.

    Raises:
        ConfigError: a symbol's exchange is unknown, or its asset class isn't switched on.
    """
    found = read_symbols(file) if file else [Instrument(symbol, exchange_of(symbol)) for symbol in symbols]
    for each in found:
        if (kind := asset_class(each.symbol)) not in allowed:
            raise ConfigError(
                f"symbol {each.symbol} is {kind}; to collect it set ASSET_CLASSES (--asset-classes) "
                f"{','.join((*allowed, kind))}"
            )
    return found
