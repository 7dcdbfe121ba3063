"""The real redrive of a consumer that knows quote.v2; SIGKILL around the commit of its n-th transaction of ten records.

python doomed_redrive.py before|after N  FLAGS OF stockpipe-consumer redrive ...
"""

import os
import signal
import sys

from stockpipe.common.cli import Command, run_program
from stockpipe.common.clock import SystemClock
from stockpipe.common.contracts import decode
from stockpipe.common.lake.open import open_lake
from stockpipe.consumer import cli, redrive
from stockpipe.consumer.once import OnceProducer
from stockpipe.consumer.settings import RedriveSettings


class KillingProducer(OnceProducer):
    moment = sys.argv[1]
    left = int(sys.argv[2])

    def _commit(self) -> None:
        KillingProducer.left -= 1
        if not self.left and self.moment == "before":
            self._producer.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        super()._commit()
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    contracts = decode._CONTRACTS["realtime"]
    contracts["quote.v2"] = contracts["quote.v1"]
    redrive.TRANSACTION_RECORDS = 10
    cli.OnceProducer = KillingProducer  # type: ignore[attr-defined]

    def run(settings: RedriveSettings) -> int:
        return cli.redrive(settings, open_lake(settings), SystemClock())

    run_program("doomed-redrive", {"": Command(RedriveSettings, run)}, sys.argv[3:])


main()
