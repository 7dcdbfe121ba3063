"""The books as text."""

from collections.abc import Sequence

from stockpipe.auditor.books import Books
from stockpipe.auditor.quality import CheckBooks


def render(books: Books, checks: Sequence[CheckBooks]) -> str:
    """Return the tables, what checks found, and the findings as lines of plain text."""
    lines = ["Kafka to raw: offsets = raw rows + rejected (in the DLQ) + skipped + retired", ""]
    lines += table(
        ("topic", "partition", "offsets", "raw rows", "rejected", "skipped", "retired", "not yet read", "unaccounted"),
        [
            (
                each.topic,
                each.partition,
                each.offsets,
                each.raw_rows,
                each.rejected,
                each.skipped,
                each.retired,
                each.waiting,
                each.unaccounted,
            )
            for each in books.partitions
        ],
    )
    lines += ["", "Raw to processed to warehouse: rows in = dropped + used; newest row of each key = warehouse row", ""]
    lines += table(
        (
            "dataset",
            "batches",
            "rows in",
            "dropped",
            "rows out",
            "in warehouse",
            "retired",
            "not yet loaded",
            "not yet processed",
            "unaccounted",
        ),
        [
            (
                each.dataset,
                each.batches,
                each.rows_in,
                ", ".join(f"{count:,} {reason}" for reason, count in each.dropped.items() if count) or "-",
                each.rows_out,
                each.warehouse_rows,
                each.retired,
                each.not_loaded,
                each.waiting,
                each.unaccounted,
            )
            for each in books.datasets
        ],
    )
    if checks:
        lines += ["", "Checks that found rows: fail kept the batches out of the warehouse, warn let them in", ""]
        lines += table(
            ("dataset", "check", "severity", "batches", "rows", "last, UTC"),
            [(each.dataset, each.check, each.severity, each.batches, each.rows, each.last_at) for each in checks],
        )
    else:
        lines += ["", "Checks of the batches found nothing."]
    unaccounted = books.unaccounted
    lines += ["", "unaccounted: " + ", ".join(f"{hop} {count:,}" for hop, count in unaccounted.items())]
    for finding in books.findings:
        lines.append(f"  ✗ {finding.hop}: {finding.subject}: {finding.detail}")
    lines.append(
        "The books balance." if not books.findings else f"The books don't balance: {len(books.findings)} findings."
    )
    return "\n".join(lines)


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Return the lines of a table; numbers are set to the right."""
    texts = [header, *([f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in texts) for column in range(len(header))]
    right = [all(isinstance(row[column], int) for row in rows) for column in range(len(header))]
    return [
        "  "
        + "  ".join(
            cell.rjust(width) if numeric else cell.ljust(width)
            for cell, width, numeric in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in texts
    ]
