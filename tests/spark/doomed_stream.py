"""The real stream job on a store that kills the process around its n-th write of a kind.

python doomed_stream.py before|after object|manifest N  FLAGS OF spark_stream_processor ...
"""

import sys
from typing import Any

from stockpipe.common.cli import Command, run_program
from stockpipe.common.lake.open import open_lake
from stockpipe.common.settings import OptionalLakeSettings
from stockpipe.spark.jobs import spark_stream_processor as job
from stockpipe.spark.settings import StreamSettings
from support.fatal_store import FatalStore

moment, kind, number = sys.argv[1:4]


def open_fatal(settings: OptionalLakeSettings) -> Any:
    return FatalStore(open_lake(settings), "kill", moment, kind, int(number))


job.open_lake = open_fatal  # type: ignore[attr-defined]
run_program("doomed-stream", {"": Command(StreamSettings, job.run)}, sys.argv[4:])
