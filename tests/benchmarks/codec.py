"""The service's decoder against orjson with checks by hand and against pydantic; all refuse the same records."""

from collections.abc import Callable
from datetime import timedelta
from functools import lru_cache
from typing import Annotated, Any, Literal

import msgspec
import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from benchmarks.harness import Bench, Result, Run, Side, Stopwatch, against, paired, rarely_collected
from benchmarks.quotes import quotes
from stockpipe.common.contracts.decode import FUTURE_TOLERANCE, MAX_VALUE_BYTES, RecordDecoder, Rejected
from stockpipe.common.contracts.fields import (
    CURRENCY_PATTERN,
    ID_PATTERN,
    MAX_PRICE,
    MAX_VOLUME,
    MIC_PATTERN,
    NAME_PATTERN,
    SYMBOL_PATTERN,
    origin_fault,
)
from stockpipe.common.contracts.quote import SCHEMA
from stockpipe.common.times import from_millis, from_text, is_instant, to_text
from stockpipe.consumer.service import TOGETHER
from support.records import as_dict, quote

Decode = Callable[[bytes, str, int], Any]
"""Value, schema and append time to a record; raises where the record breaks its contract."""


def _require(holds: bool) -> None:
    if not holds:
        raise ValueError


@lru_cache(maxsize=4096)
def _second(second: int) -> str:
    return to_text(from_millis(second * 1000))


def _require_past(event_time: str, appended_ms: int) -> None:
    if event_time > _second(appended_ms // 1000):
        _require(event_time <= to_text(from_millis(appended_ms) + FUTURE_TOLERANCE))


# By hand


_SESSIONS = {"pre", "regular", "post", "closed"}
_ORIGINS = {"live", "backfill", "replay", "simulated"}
_NUMBERS = {int, float}


def by_hand(value: bytes, schema: str, appended_ms: int) -> dict[str, Any]:
    """Decode with orjson; the texts are looked up as the contract does, which raises TypeError for what is no text."""
    _require(schema == SCHEMA and 0 < len(value) <= MAX_VALUE_BYTES)
    row: dict[str, Any] = orjson.loads(value)
    price, bid, ask, volume = row["price"], row.get("bid"), row.get("ask"), row["volume"]
    if not (
        type(price) in _NUMBERS
        and 0 < price <= MAX_PRICE
        and (bid is None or (type(bid) in _NUMBERS and 0 < bid <= MAX_PRICE))
        and (ask is None or (type(ask) in _NUMBERS and 0 < ask <= MAX_PRICE))
        and type(volume) is int
        and 0 <= volume <= MAX_VOLUME
        and row["session"] in _SESSIONS
        and row["origin"] in _ORIGINS
        and is_instant(row["event_time"])
    ):
        raise ValueError
    texts = row["symbol"], row["currency"], row.get("exchange"), row["source"], row["fetched_at"], row["fetch_id"]
    if origin_fault(*texts) is not None:
        raise ValueError
    _require_past(row["event_time"], appended_ms)
    return row


# pydantic


def _instant(text: str) -> str:
    _require(is_instant(text))
    return text


_Instant = Annotated[str, AfterValidator(_instant)]
_Price = Annotated[float, Field(gt=0, le=MAX_PRICE)]


class _Model(BaseModel):
    """The contract as a pydantic model."""

    model_config = ConfigDict(strict=True)

    symbol: Annotated[str, Field(pattern=SYMBOL_PATTERN)]
    event_time: _Instant
    price: _Price
    volume: Annotated[int, Field(ge=0, le=MAX_VOLUME)]
    bid: _Price | None = None
    ask: _Price | None = None
    session: Literal["pre", "regular", "post", "closed"]
    currency: Annotated[str, Field(pattern=CURRENCY_PATTERN)]
    source: Annotated[str, Field(pattern=NAME_PATTERN)]
    origin: Literal["live", "backfill", "replay", "simulated"]
    fetched_at: _Instant
    fetch_id: Annotated[str, Field(pattern=ID_PATTERN)]
    exchange: Annotated[str, Field(pattern=MIC_PATTERN)] | None = None


def by_pydantic(value: bytes, schema: str, appended_ms: int) -> _Model:
    """Decode and check with pydantic."""
    _require(schema == SCHEMA and 0 < len(value) <= MAX_VALUE_BYTES)
    found = _Model.model_validate_json(value)
    _require_past(found.event_time, appended_ms)
    return found


# All three


_APPENDED = from_text(quote().event_time)


_TEXTS: tuple[Any, ...] = ("", "a b", 5, None, [])
_WRONG: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(("symbol", "currency", "source", "fetch_id", "session", "origin"), _TEXTS),
    "event_time": ("2026-02-30T14:30:00.000Z", 5, to_text(_APPENDED + FUTURE_TOLERANCE + timedelta(milliseconds=1))),
    "fetched_at": ("2026-02-30T14:30:00.000Z", 5),
    **dict.fromkeys(("price", "bid", "ask"), (0, -1.5, 2e12, "1", True)),
    "volume": (-1, 2**53, 1.5, "1", True, None),
    "exchange": ("xnas", 5),
}


def _broken() -> list[bytes]:
    """Return records of which each breaks one rule."""
    good = as_dict(quote(exchange="XNAS"))
    wrong = [good | {name: value} for name, values in _WRONG.items() for value in values]
    needed = set(good) - {"bid", "ask", "exchange"}
    short = [{name: value for name, value in good.items() if name != left_out} for left_out in needed]
    large = b" " * MAX_VALUE_BYTES + orjson.dumps(good)
    return [b"", b"{", b"[]", large, *map(orjson.dumps, wrong + short)]


def _check(decode: Decode, records: list[tuple[bytes, int]]) -> None:
    """Check what the decoder takes, with each value, and what it refuses."""
    rows = [decode(value, SCHEMA, at) for value, at in records]
    volumes = [row["volume"] if isinstance(row, dict) else row.volume for row in rows]
    assert volumes == list(range(len(records)))
    millis = int(_APPENDED.timestamp() * 1000)
    for value in _broken():
        try:
            decode(value, SCHEMA, millis)
        except (Rejected, ValueError, TypeError, KeyError):
            continue
        raise AssertionError(f"{decode} takes {value[:300]!r}")


def codec(bench: Bench) -> list[Result]:
    """Bytes to a checked record, which is dropped."""
    records = [
        (msgspec.json.encode(record), int(from_text(record.fetched_at).timestamp() * 1000))
        for record in quotes(bench.size(200_000, 20_000))
    ]
    decoder = RecordDecoder("realtime")
    decoders: dict[str, Decode] = {
        "one by one": decoder.decode,
        "orjson": by_hand,
        "pydantic": by_pydantic,
    }

    def side(decode: Decode) -> Side:
        def run() -> Run:
            watch = Stopwatch()
            for value, at in records:
                decode(value, SCHEMA, at)
            return watch.run(len(records))

        return run

    pieces = [records[first : first + TOGETHER] for first in range(0, len(records), TOGETHER)]
    columns = [([value for value, _at in piece], [at for _value, at in piece]) for piece in pieces]

    def together() -> Run:
        watch = Stopwatch()
        for values, times in columns:
            assert decoder.decode_together(values, SCHEMA, times) is not None
        return watch.run(len(records))

    for decode in decoders.values():
        _check(decode, records)
    with rarely_collected():
        runs = paired({"together": together, **{name: side(each) for name, each in decoders.items()}}, bench.rounds)
    results = [
        against(runs, "codec-orjson", "together", "orjson", "the service's decode and check / orjson, checks by hand"),
        against(runs, "codec-pydantic", "together", "pydantic", "the service's decode and check / a pydantic model"),
    ]
    results[0].raw = runs
    return results
