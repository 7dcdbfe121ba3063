"""The real consumer on a store that kills (SIGKILL) or freezes (SIGSTOP) the process around its n-th write of a kind.

python doomed_consumer.py kill|stop before|after object|manifest N  FLAGS OF stockpipe-consumer ...

Its group takes it for dead after 6 s of silence, the least that brokers allow, instead of 45.
"""

import sys
from typing import Any

from stockpipe.common import kafka
from stockpipe.common.cli import Command, run_program
from stockpipe.common.clock import SystemClock
from stockpipe.common.lake.open import open_lake
from stockpipe.consumer.cli import consume
from stockpipe.consumer.settings import ConsumerSettings
from support.fatal_store import FatalStore


def main() -> None:
    fate, moment, kind, number = sys.argv[1:5]
    kafka._CONSUMER |= {"session.timeout.ms": 6_000, "heartbeat.interval.ms": 500}

    def run(settings: ConsumerSettings) -> int:
        store: Any = FatalStore(open_lake(settings), fate, moment, kind, int(number))
        return consume(settings, store, SystemClock())

    run_program("doomed-consumer", {"": Command(ConsumerSettings, run)}, sys.argv[5:])


main()
