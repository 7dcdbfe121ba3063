"""What a maintenance run did, or would do."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from stockpipe.auditor.report import table


@dataclass
class Retired:
    """Manifests that retention removed of `subject`, and the objects they listed."""

    subject: str
    manifests: int = 0
    objects: int = 0
    bytes: int = 0
    blocked: str = ""


@dataclass
class Compacted:
    """Batches of one dataset and day whose `files` files became `into`."""

    dataset: str
    day: str
    batches: int
    files: int
    bytes: int
    into: int


@dataclass
class Removed:
    """Objects below `prefix` that were removed for one reason."""

    prefix: str
    reason: str
    objects: int = 0
    bytes: int = 0


@dataclass
class Report:
    """The whole run. `kept` counts unlisted objects that stay, by why; `damaged` are batches that can't be read."""

    applied: bool
    retired: list[Retired] = field(default_factory=list)
    compacted: list[Compacted] = field(default_factory=list)
    removed: list[Removed] = field(default_factory=list)
    kept: Counter[str] = field(default_factory=Counter)
    damaged: list[str] = field(default_factory=list)


def render(report: Report, grace_hours: float) -> str:
    """Return the run as text."""
    did = "was done" if report.applied else "would be done; --apply does it"
    retired: list[tuple[Any, ...]] = [
        (each.subject, each.manifests, each.objects, each.bytes, each.blocked or "-") for each in report.retired
    ]
    compacted: list[tuple[Any, ...]] = [
        (each.dataset, each.day, each.batches, each.files, each.bytes, each.into) for each in report.compacted
    ]
    removed: list[tuple[Any, ...]] = [(each.prefix, each.reason, each.objects, each.bytes) for each in report.removed]
    lines = [f"What {did}", ""]
    lines += [f"Retention: manifests removed; their objects follow {grace_hours:g} hours later", ""]
    lines += table(("of", "manifests", "objects", "bytes", "held back"), retired)
    lines += ["", f"Compaction: the files replaced follow {grace_hours:g} hours later", ""]
    lines += table(("dataset", "day", "batches", "files", "bytes", "into files"), compacted)
    lines += ["", "Objects removed: no manifest needs them", ""]
    lines += table(("prefix", "reason", "objects", "bytes"), removed)
    lines += [f"  kept: {count:,} objects {why}" for why, count in sorted(report.kept.items())]
    lines += [f"  ✗ not compacted: {text}" for text in report.damaged]
    return "\n".join(lines)
