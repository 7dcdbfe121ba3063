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
    return logger
