"""Source `replay`: what the lake holds, sent again with origin `replay`.

Source, fetch and fetch time stay the original ones: a replayed quote is a duplicate of its original and counts once,
a replayed bar is no newer than its original.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import msgspec

from stockpipe.common.contracts.daily_bar import DailyBar
from stockpipe.common.contracts.quote import Quote
from stockpipe.common.contracts.topics import TopicKind
from stockpipe.common.lake.manifests import raw_manifests
from stockpipe.common.lake.raw_rows import OFFSET_COLUMN, PARTITION_COLUMN, decode_rows
from stockpipe.common.lake.store import ObjectStore
from stockpipe.common.times import to_text
from stockpipe.producer.sources.base import BarQuery, Fetch, Parsed, Payload, QuoteAnswer
from stockpipe.producer.sources.errors import NoData

SOURCE = "replay"


class ReplayBars:
    """Daily bars of the lake."""

    name = SOURCE
    applies_splits = False

    def __init__(self, store: ObjectStore, topic: str) -> None:
        self._store = store
        self._topic = topic

    def fetch_bars(self, query: BarQuery) -> Payload:
        first, last = query.first.isoformat(), query.last.isoformat()
        rows = [
            row
            for row in _rows(self._store, self._topic, "batch", {query.symbol}, first, last + "T24")
            if first <= row["date"] <= last
        ]
        if not rows:
            raise NoData(SOURCE, query.symbol, f"the lake holds no bar between {first} and {last}")
        return Payload(f"replay bars {query.symbol} {first}..{last}", msgspec.json.encode(rows))

    def parse_bars(self, query: BarQuery, payload: Payload, fetch: Fetch) -> Parsed:
        rows = msgspec.json.decode(payload.body)
        bars = msgspec.convert([row | {"batch_id": fetch.batch_id} for row in rows], list[DailyBar])
        return Parsed(sorted(bars, key=lambda bar: bar.date))


class ReplayQuotes:
    """The quotes of one session, round by round at the times at which they happened."""

    name = SOURCE
    symbols_per_call = 1_000_000

    def __init__(
        self, store: ObjectStore, topic: str, symbols: Sequence[str], opens: datetime, closes: datetime
    ) -> None:
        """Read the lake's quotes between `opens` and `closes`, both included.

        Raises:
            NoData: there are none.
        """
        first, last = to_text(opens), to_text(closes)
        rows = _rows(store, topic, "realtime", set(symbols), first, last)
        quotes = [msgspec.convert(row, Quote) for row in rows if first <= row["event_time"] <= last]
        if not quotes:
            raise NoData(SOURCE, None, f"the lake holds no quote of {', '.join(symbols)} from {first} to {last}")
        self._left = sorted(quotes, key=lambda quote: quote.event_time, reverse=True)

    def quotes(self, symbols: Sequence[str], at: datetime, fetch: Fetch) -> QuoteAnswer:
        until = to_text(at)
        found = []
        while self._left and self._left[-1].event_time <= until:
            found.append(self._left.pop())
        return QuoteAnswer(f"replay quotes until {until}", found)


def _rows(
    store: ObjectStore, topic: str, kind: TopicKind, symbols: set[str], first: str, last: str
) -> Iterator[dict[str, Any]]:
    for manifest in raw_manifests(store, topic):
        if not manifest.min_event_time or not manifest.max_event_time or symbols.isdisjoint(manifest.symbols):
            continue
        if manifest.min_event_time > last or manifest.max_event_time < first:
            continue
        for entry in manifest.objects:
            for row in decode_rows(kind, entry.key, store.get(entry.key)).to_pylist():
                if row["symbol"] in symbols and row["origin"] != "replay":
                    del row[PARTITION_COLUMN], row[OFFSET_COLUMN]
                    yield row | {"origin": "replay"}
