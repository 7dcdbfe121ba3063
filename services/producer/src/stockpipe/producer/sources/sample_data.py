"""Real daily bars that ship inside PyPI packages; the packages are carriers and never imported.

| package          | symbols                   | sessions                 |
|------------------|---------------------------|--------------------------|
| bokeh-sampledata | AAPL, FB, GOOG, IBM, MSFT | 2000-03-01 to 2013-03-01 |
| arch             | ^GSPC, ^IXIC (indices)    | 1999-01-04 to 2018-12-31 |
"""

import csv
import gzip
import importlib.util
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from stockpipe.producer.sources.errors import SourceUnavailable

SOURCE = "sample"


@dataclass(frozen=True)
class _File:
    package: str
    path: str
    symbol: str | None


_FILES = (
    _File("bokeh_sampledata", "_data/stocks.csv.gz", None),
    _File("arch", "data/sp500/sp500.csv.gz", "^GSPC"),
    _File("arch", "data/nasdaq/nasdaq.csv.gz", "^IXIC"),
)
EXCHANGES = {"AAPL": "XNAS", "FB": "XNAS", "GOOG": "XNAS", "IBM": "XNYS", "MSFT": "XNAS"}
"""Primary listings in the sample's years, ISO 10383; an index is listed nowhere."""
FIELDS = ("Date", "Open", "High", "Low", "Close", "Volume", "Adj Close")


@lru_cache(maxsize=1)
def sample_rows() -> dict[str, list[dict[str, str]]]:
    """Return each symbol's rows, oldest first, with the texts of FIELDS as the packages spell them.

    Raises:
        SourceUnavailable: a package isn't installed or has another layout.
    """
    rows: dict[str, list[dict[str, str]]] = {}
    for file in _FILES:
        found = importlib.util.find_spec(file.package)
        if found is None or not found.submodule_search_locations:
            raise SourceUnavailable(SOURCE, file.symbol, f"Python package {file.package} isn't installed")
        path = Path(found.submodule_search_locations[0], file.path)
        try:
            with gzip.open(path, "rt", newline="") as text:
                for row in csv.DictReader(text):
                    kept = {name: row[name] for name in FIELDS}
                    kept["Date"] = _iso_date(row["Date"])
                    rows.setdefault(file.symbol or row["Ticker"], []).append(kept)
        except (OSError, KeyError) as error:
            raise SourceUnavailable(SOURCE, file.symbol, f"{path} can't be read: {error!r}") from error
    for symbol_rows in rows.values():
        symbol_rows.sort(key=lambda row: row["Date"])
    return rows


def _iso_date(text: str) -> str:
    if "/" in text:
        month, day, year = text.split("/")
        return f"{year}-{int(month):02d}-{int(day):02d}"
    return text
