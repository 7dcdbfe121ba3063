"""Checks of a staged batch: `fail` keeps it out of the warehouse, `warn` is counted."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from stockpipe.common.contracts.tables import Table
from stockpipe.common.errors import PipelineError
from stockpipe.loader.warehouse import STAGED, Session, Value

Level = Literal["fail", "warn"]

_HEADING = re.compile(r"^-- (?P<level>fail|warn): (?P<name>[a-z_0-9]+): (?P<sentence>.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Check:
    """One statement that counts the rows of BATCH_IN for which `sentence` isn't true."""

    level: Level
    name: str
    sentence: str
    sql: str


@dataclass(frozen=True)
class Finding:
    """How many rows break a check."""

    check: Check
    rows: int

    def __str__(self) -> str:
        return f"{self.check.name} ({self.check.sentence}): {self.rows}"


class ChecksFailed(PipelineError):
    """At least one `fail` check found rows; the batch wasn't loaded."""


def parse_checks(text: str) -> tuple[Check, ...]:
    """Return the checks of a `checks.sql`; what stands before the first heading is a preface.

    Raises:
        ValueError: a check without one statement, a statement without a check, or a name used twice.
    """
    checks: dict[str, Check] = {}
    headings = list(_HEADING.finditer(text))
    if ";" in text[: headings[0].start() if headings else None]:
        raise ValueError("each statement of checks.sql follows a line `-- fail: name: sentence` or `-- warn: …`")
    for heading, following in zip(headings, [*headings[1:], None], strict=True):
        statement = text[heading.end() : following.start() if following else None].strip()
        if not statement.endswith(";") or statement.count(";") != 1 or heading["name"] in checks:
            raise ValueError(f"check {heading['name']!r} must have a name of its own and one statement ended by ;")
        level: Level = "fail" if heading["level"] == "fail" else "warn"
        checks[heading["name"]] = Check(level, heading["name"], heading["sentence"], statement.removesuffix(";"))
    return tuple(checks.values())


def run_checks(
    session: Session, table: Table, checks: Sequence[Check], rows: int, parameters: Mapping[str, Value]
) -> dict[str, int]:
    """Check the staged batch, of which `rows` rows are expected; return the rows each warn check found.

    Raises:
        ChecksFailed: names every fail check that found rows, and how many.
    """
    findings = [*_built_in(session, table, rows)]
    for check in checks:
        (found,) = session.fetch(check.sql, parameters)[0]
        if found:
            findings.append(Finding(check, int(found)))
    failed = [str(finding) for finding in findings if finding.check.level == "fail"]
    if failed:
        raise ChecksFailed(f"checks failed, rows by check: {'; '.join(failed)}")
    return {finding.check.name: finding.rows for finding in findings}


def _built_in(session: Session, table: Table, rows: int) -> list[Finding]:
    """Check what holds for every table: the number of rows, and a value in each required column."""
    required = [column.name for column in table.columns if not column.nullable]
    nulls = ", ".join(f"COUNT(*) - COUNT({name})" for name in required)
    sql = f"SELECT COUNT(*), {nulls} FROM {STAGED}"
    (staged, *missing) = session.fetch(sql)[0]
    findings = []
    if staged != rows:
        sentence = f"the manifest says {rows} rows, staged are {staged}"
        findings.append(Finding(Check("fail", "row_count", sentence, sql), abs(staged - rows)))
    for name, count in zip(required, missing, strict=True):
        if count:
            findings.append(Finding(Check("fail", f"required_{name}", f"{name} is never null", sql), count))
    return findings
