"""`stockpipe-auditor`."""

from typing import Any

import msgspec

from stockpipe.auditor.books import audit
from stockpipe.auditor.report import render as render_books
from stockpipe.auditor.settings import BooksSettings, TraceSettings
from stockpipe.auditor.trace import render as render_trace
from stockpipe.auditor.trace import trace
from stockpipe.common.cli import Command, run_program
from stockpipe.common.errors import PipelineError
from stockpipe.common.lake.open import open_lake
from stockpipe.common.logs import configure_logs
from stockpipe.common.warehouse.reader import open_reader


def run_books(settings: BooksSettings) -> int:
    """Run the command and return its exit code."""
    configure_logs("auditor", settings.log_level)
    store = open_lake(settings.lake_url)
    with open_reader(settings) as reader:
        books = audit(settings, store, reader)
    if settings.as_json:
        print(_json({**vars(books), "unaccounted": books.unaccounted, "balanced": not books.findings}))
    else:
        print(render_books(books))
    return PipelineError.exit_code if books.findings else 0


def run_trace(settings: TraceSettings) -> int:
    """Run the command and return its exit code."""
    store = open_lake(settings.lake_url)
    with open_reader(settings) as reader:
        found = trace(settings, store, reader)
    print(_json(found) if settings.as_json else render_trace(found))
    return 0


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def main() -> None:
    """Run the program."""
    run_program(
        "stockpipe-auditor",
        {"books": Command(BooksSettings, run_books), "trace": Command(TraceSettings, run_trace)},
    )
