"""Answers that couldn't be understood, kept on the lake for whoever mends the parser.

They aren't in a topic's DLQ: that holds records which have an offset, and the books count it.
"""

import contextlib
import hashlib
from datetime import timedelta

import msgspec

from stockpipe.common.clock import Clock
from stockpipe.common.errors import Unavailable
from stockpipe.common.lake import layout
from stockpipe.common.lake.store import ObjectExists, ObjectStore
from stockpipe.common.logs import Logger
from stockpipe.common.times import to_text
from stockpipe.producer.sources.errors import BadPayload

MOST_BYTES = 64 * 1024
KEPT_DAYS = 30


class RefusedPayloads:
    """Keeps a source's refused answers for 30 days, the same one once a day, each up to 64 KiB of it."""

    def __init__(self, source: str, store: ObjectStore, clock: Clock, log: Logger) -> None:
        self._source = source
        self._store = store
        self._clock = clock
        self._log = log

    def keep(self, error: BadPayload) -> None:
        """Keep the answer with its reason; while the lake is down it is only logged."""
        now = self._clock.now()
        key = layout.refused_payload(self._source, now.date(), hashlib.sha256(error.body).hexdigest()[:16])
        record = {
            "source": self._source,
            "symbol": error.symbol,
            "reason": error.reason,
            "at": to_text(now),
            "bytes": len(error.body),
            "body": error.body[:MOST_BYTES].decode(errors="replace"),
        }
        try:
            with contextlib.suppress(ObjectExists):
                self._store.create(key, msgspec.json.encode(record))
                self._log.warning("payload_refused", source=self._source, symbol=error.symbol, key=key)
                self._forget((now - timedelta(days=KEPT_DAYS)).date().isoformat())
        except Unavailable as failure:
            self._log.warning("payload_not_kept", source=self._source, detail=str(failure))

    def _forget(self, before: str) -> None:
        prefix = layout.refused_prefix(self._source)
        for info in self._store.list(prefix):
            if info.key.removeprefix(prefix) < before:
                self._store.delete(info.key)
