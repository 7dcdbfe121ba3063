"""Which splits a symbol's bars have been fetched after: a new one changes the source's whole history of it."""

import contextlib
from collections.abc import Sequence

import msgspec

from stockpipe.common.contracts.corporate_action import CorporateAction
from stockpipe.common.lake import layout
from stockpipe.common.lake.store import ObjectExists, ObjectMissing, ObjectStore


class KnownSplits:
    """Remembers splits on the lake."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def unknown(self, actions: Sequence[CorporateAction]) -> list[CorporateAction]:
        """Return the splits among the actions that aren't remembered."""
        return [action for action in actions if action.kind == "split" and not self._is_known(action)]

    def remember(self, splits: Sequence[CorporateAction]) -> None:
        """Remember splits, once the history after them has been delivered."""
        for split in splits:
            with contextlib.suppress(ObjectExists):
                self._store.create(layout.known_split(split.symbol, split.ex_date), msgspec.json.encode(split))

    def _is_known(self, split: CorporateAction) -> bool:
        try:
            known = msgspec.json.decode(self._store.get(layout.known_split(split.symbol, split.ex_date)))
        except ObjectMissing:
            return False
        return bool(known["ratio"] == split.ratio)
