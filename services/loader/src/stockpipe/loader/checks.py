"""Checks of a staged batch: `fail` keeps it out of the warehouse, `warn` is counted."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from stockpipe.common.contracts.tables import Table
from stockpipe.common.errors import PipelineError
from stockpipe.loader.sessions import missing_sessions
from stockpipe.loader.warehouse import STAGED, Session, Value

Level = Literal["fail", "warn"]

_MISSING_SESSIONS = "missing_sessions"
_NAMED = 3
_COUNT = "SELECT COUNT(*) FROM "
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
    """How many rows break a check, and the keys of some."""

    check: Check
    rows: int
    examples: tuple[str, ...] = ()

    def __str__(self) -> str:
        such_as = f", such as {', '.join(self.examples)}" if self.examples else ""
        return f"{self.check.name} ({self.check.sentence}): {self.rows}{such_as}"


@dataclass(frozen=True)
class Result:
    """What a check found: `rows` rows."""

    check: str
    level: Level
    rows: int

    @property
    def status(self) -> str:
        """Return `passed`, or what the rows mean for the batch."""
        return "passed" if not self.rows else {"fail": "failed", "warn": "warned"}[self.level]


class ChecksFailed(PipelineError):
    """At least one `fail` check found rows; the batch wasn't loaded. `results` are those of all checks."""

    def __init__(self, message: str, results: tuple[Result, ...]) -> None:
        super().__init__(message)
        self.results = results

    @property
    def failed(self) -> list[str]:
        """Return the names of the checks that refuse the batch."""
        return [result.check for result in self.results if result.status == "failed"]


def parse_checks(text: str) -> tuple[Check, ...]:
    """Return the checks of a `checks.sql`; what stands before the first heading is a preface.

    Raises:
        ValueError: a check without one statement, a statement without a check, a name used twice, or a fail check
            that isn't a plain count of rows.
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
        if level == "fail" and not statement.startswith(_COUNT):
            raise ValueError(f"check {heading['name']!r} must begin with {_COUNT}, so that its rows can be named")
        checks[heading["name"]] = Check(level, heading["name"], heading["sentence"], statement.removesuffix(";"))
    return tuple(checks.values())


def run_checks(
    session: Session, table: Table, checks: Sequence[Check], rows: int, parameters: Mapping[str, Value]
) -> tuple[Result, ...]:
    """Check the staged batch, of which `rows` rows are expected; return what each check found.

    Raises:
        ChecksFailed: names every fail check that found rows, how many, and the keys of up to three.
    """
    findings = [*_built_in(session, table, rows)]
    if any(f":{_MISSING_SESSIONS}" in check.sql for check in checks):
        parameters = {**parameters, _MISSING_SESSIONS: missing_sessions(session)}
    for check in checks:
        (found,) = session.fetch(check.sql, parameters)[0]
        findings.append(_finding(session, table, check, int(found or 0), parameters))
    results = tuple(Result(finding.check.name, finding.check.level, finding.rows) for finding in findings)
    failed = [str(finding) for finding in findings if finding.check.level == "fail" and finding.rows]
    if failed:
        raise ChecksFailed(f"checks failed, rows by check: {'; '.join(failed)}", results)
    return results


def _finding(
    session: Session, table: Table, check: Check, rows: int, parameters: Mapping[str, Value] | None = None
) -> Finding:
    if check.level == "warn" or not rows:
        return Finding(check, rows)
    key = ", ".join(table.key)
    sql = f"SELECT {key} FROM {check.sql.removeprefix(_COUNT)} ORDER BY {key} LIMIT {_NAMED}"
    found = session.fetch(sql, parameters)
    return Finding(check, rows, tuple(" ".join("null" if part is None else str(part) for part in row) for row in found))


def _built_in(session: Session, table: Table, rows: int) -> list[Finding]:
    """Check what holds for every table: the number of rows, and a value in each required column."""
    required = [column.name for column in table.columns if not column.nullable]
    nulls = ", ".join(f"COUNT(*) - COUNT({name})" for name in required)
    sql = f"SELECT COUNT(*), {nulls} FROM {STAGED}"
    (staged, *missing) = session.fetch(sql)[0]
    sentence = f"the manifest says {rows} rows, staged are {staged}"
    findings = [Finding(Check("fail", "row_count", sentence, sql), abs(staged - rows))]
    for name, count in zip(required, missing, strict=True):
        if count:
            where = f"{_COUNT}{STAGED} WHERE {name} IS NULL"
            check = Check("fail", f"required_{name}", f"{name} is never null", where)
            findings.append(_finding(session, table, check, count))
    return findings
