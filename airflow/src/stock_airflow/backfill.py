"""The parts of a long backfill."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import Any

from stock_airflow.templates import Step

AFFECTED = timedelta(days=70)
"""A bar counts in the metrics of the next 30 sessions; so many days hold them, with any holidays."""


def chunks(first: date, last: date, days: int) -> Iterator[tuple[date, date]]:
    """Yield the first and last day of each part, `days` long, the last one perhaps shorter.

    Raises:
        ValueError: `first` is after `last`.
    """
    if first > last:
        raise ValueError(f"from {first} is after to {last}; swap them")
    while first <= last:
        end = min(first + timedelta(days=days - 1), last)
        yield first, end
        first = end + timedelta(days=1)


def last_affected(last: str, now: datetime) -> str:
    """Return the last day whose metrics change with bars up to `last`."""
    return min(date.fromisoformat(last) + AFFECTED, now.date()).isoformat()


def plan(params: Mapping[str, Any], batch_id: str) -> list[list[Step]]:
    """Return the steps of each chunk's pod: fetch the sessions that the lake lacks, and land them.

    What is in the lake isn't fetched again, so a backfill that was stopped goes on where it was. A dry run only lists
    what is missing.
    """
    wanted = chunks(date.fromisoformat(params["from"]), date.fromisoformat(params["to"]), params["chunk_days"])
    return [list(_steps(first, last, params, batch_id)) for first, last in wanted]


def _steps(first: date, last: date, params: Mapping[str, Any], batch_id: str) -> Iterator[Step]:
    options = {"--from": str(first), "--to": str(last), "--symbols": params["symbols"], "--batch-id": batch_id}
    dry = params["dry_run"]
    yield {"program": "producer-batch", "args": ["gaps", "" if dry else "--fill"], "options": options}
    if not dry:
        yield {"program": "consumer-actions", "args": ["--topic", "actions", "--drain"]}
        yield {"program": "consumer-batch", "args": ["--topic", "batch", "--drain"]}
