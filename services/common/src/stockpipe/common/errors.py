"""The exception tree and the exit codes it maps to.

    PipelineError          1  the result is wrong: the books don't balance, a check failed
    ├── ConfigError        2  a setting or flag is missing, unknown or out of range
    ├── Unavailable        3  broker, store or warehouse can't be reached; a later try may work
    ├── DataRefused        4  the input is bad as a whole: the DLQ breaker tripped, offsets are gone
    └── PartialFailure     5  some symbols or records failed, the others were delivered

A process that was interrupted (Ctrl-C) exits with 130.
"""

from typing import ClassVar


class PipelineError(Exception):
    """An error whose message is one clear sentence for the operator."""

    exit_code: ClassVar[int] = 1


class ConfigError(PipelineError):
    """A setting or flag is missing, unknown or out of range."""

    exit_code = 2


class Unavailable(PipelineError):
    """A dependency can't be reached; the same call may work later."""

    exit_code = 3


class DataRefused(PipelineError):
    """The input as a whole can't be processed."""

    exit_code = 4


class PartialFailure(PipelineError):
    """Some of the work failed; the message names what."""

    exit_code = 5


EXIT_INTERRUPTED = 130
