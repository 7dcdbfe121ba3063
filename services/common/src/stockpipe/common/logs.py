"""JSON logs on standard error: one event a line, no secrets."""

import logging
import sys

import structlog
from structlog.typing import FilteringBoundLogger

Logger = FilteringBoundLogger


def configure_logs(service: str, level: str = "info") -> Logger:
    """Send the process's logs to standard error as JSON and return the service's logger."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logger: Logger = structlog.get_logger(service=service)
    for library in ("urllib3", "uvicorn"):
        logging.getLogger(library).handlers = [_AsEvents(logger)]
    return logger


class _AsEvents(logging.Handler):
    """Gives a library's warnings as events of ours; Python would print them as bare text."""

    def __init__(self, logger: Logger) -> None:
        super().__init__(logging.WARNING)
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._logger.warning("library_warning", library=record.name, detail=record.getMessage())
        except Exception:
            self.handleError(record)
