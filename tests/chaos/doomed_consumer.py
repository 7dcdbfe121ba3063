"""The real consumer on a store that kills the process (SIGKILL) around its n-th write of a kind.

python doomed_consumer.py before|after object|manifest N  FLAGS OF stockpipe-consumer ...
"""

import os
import signal
import sys
from pathlib import Path
from urllib.parse import urlsplit

from stockpipe.common.cli import Command, run_program
from stockpipe.common.clock import SystemClock
from stockpipe.common.lake.folder import FolderStore
from stockpipe.consumer.cli import consume
from stockpipe.consumer.settings import ConsumerSettings


class KillingStore(FolderStore):
    def __init__(self, root: Path, moment: str, kind: str, number: int) -> None:
        super().__init__(root)
        self._moment = moment
        self._kind = kind
        self._left = number

    def create(self, key: str, data: bytes) -> None:
        matches = (self._kind == "manifest") == ("/_manifests/" in key)
        self._left -= matches
        doomed = matches and self._left == 0
        if doomed and self._moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        super().create(key, data)
        if doomed:
            os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    moment, kind, number = sys.argv[1:4]

    def run(settings: ConsumerSettings) -> int:
        store = KillingStore(Path(urlsplit(settings.lake_url).path), moment, kind, int(number))
        return consume(settings, store, SystemClock())

    run_program("doomed-consumer", {"": Command(ConsumerSettings, run)}, sys.argv[4:])


main()
