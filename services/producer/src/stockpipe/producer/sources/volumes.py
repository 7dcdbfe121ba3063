"""The volume of a quote from the day's volume so far, which is what sources tell. Kept on the lake across restarts."""

from datetime import date

import msgspec

from stockpipe.common.errors import Unavailable
from stockpipe.common.lake import layout
from stockpipe.common.lake.store import ObjectExists, ObjectMissing, ObjectStore
from stockpipe.common.logs import Logger

KEPT = 2


class Seen(msgspec.Struct, frozen=True):
    """What a symbol's last quote told: its session, the session's volume until then, and its time in text form."""

    day: date
    volume: int | None
    at: str


class Volumes:
    """Remembers each symbol's last quote.

    The state is written before the quotes are sent: after a crash in between, a growth is missing, never counted twice.
    """

    def __init__(self, source: str, store: ObjectStore, log: Logger) -> None:
        self._source = source
        self._store = store
        self._log = log
        self._seen = self._load()

    def growth(self, symbol: str, now: Seen) -> int | None:
        """Return the shares traded since the symbol's last quote, 0 where that is unknown; None if it is no newer."""
        before = self._seen.get(symbol)
        if before is not None and now.at <= before.at:
            return None
        if now.volume is None and before is not None and before.day == now.day:
            now = msgspec.structs.replace(now, volume=before.volume)
        self._seen[symbol] = now
        if before is None or now.volume is None:
            return 0
        if before.day < now.day:
            return now.volume
        return 0 if before.volume is None else max(0, now.volume - before.volume)

    def save(self, at: str) -> None:
        """Write the state as of the instant `at`; while the lake is down it is only remembered."""
        try:
            self._store.create(layout.volumes(self._source, at), msgspec.json.encode(self._seen))
            for key in self._keys()[:-KEPT]:
                self._store.delete(key)
        except ObjectExists:
            pass
        except Unavailable as error:
            self._log.warning("state_not_written", source=self._source, detail=str(error))

    def _load(self) -> dict[str, Seen]:
        for key in reversed(self._keys()):
            try:
                return msgspec.json.decode(self._store.get(key), type=dict[str, Seen])
            except ObjectMissing:
                continue  # another process has written a newer one
            except msgspec.DecodeError as error:
                self._log.warning("state_not_read", source=self._source, detail=f"{key}: {error}")
        return {}

    def _keys(self) -> list[str]:
        return [info.key for info in self._store.list(layout.volumes_prefix(self._source))]
