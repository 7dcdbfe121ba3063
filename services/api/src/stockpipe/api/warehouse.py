"""The warehouse for many requests at once: a few readers, shared, each on the newest state."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass

from stockpipe.common.warehouse.reader import WarehouseReader

OpenReader = Callable[[], AbstractContextManager[WarehouseReader]]


@dataclass
class _Held:
    reader: WarehouseReader
    closing: ExitStack
    generation: int


class Warehouse:
    """Lends readers to threads; at most `readers` are open, a thread waits for a free one.

    A reader sees the state when it was opened, or a later one; after `renew` no older reader is lent.
    """

    def __init__(self, open_reader: OpenReader, *, frozen: bool, readers: int = 4) -> None:
        """Open nothing yet.

        Args:
            open_reader: opens a reader on the newest state.
            frozen: whether a reader goes on seeing the state that it was opened on.
            readers: how many may be open.
        """
        self._open = open_reader
        self._frozen = frozen
        self._slots = threading.BoundedSemaphore(readers)
        self._lock = threading.Lock()
        self._idle: list[_Held] = []
        self._generation = 0

    @contextmanager
    def reader(self) -> Iterator[WarehouseReader]:
        """Lend a reader to this thread; one that failed is closed.

        Raises:
            Unavailable: nothing was published yet, or the warehouse can't be reached.
        """
        with self._slots:
            held = self._take()
            try:
                yield held.reader
            except BaseException:
                held.closing.close()
                raise
            self._give_back(held)

    @contextmanager
    def newest(self) -> Iterator[WarehouseReader]:
        """Lend a reader that sees what is there now.

        Raises:
            Unavailable: nothing was published yet, or the warehouse can't be reached.
        """
        with self._open() if self._frozen else self.reader() as reader:
            yield reader

    def renew(self) -> None:
        """Let every reader be opened anew before it is lent again."""
        with self._lock:
            self._generation += 1
            old, self._idle = self._idle, []
        for held in old:
            held.closing.close()

    close = renew

    def _take(self) -> _Held:
        with self._lock:
            generation = self._generation
            if self._idle:
                return self._idle.pop()
        closing = ExitStack()
        return _Held(closing.enter_context(self._open()), closing, generation)

    def _give_back(self, held: _Held) -> None:
        with self._lock:
            if held.generation == self._generation:
                self._idle.append(held)
                return
        held.closing.close()
