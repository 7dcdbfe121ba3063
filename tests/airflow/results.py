"""What runs have made of the warehouse, the books and the reports."""

import json
from pathlib import Path
from typing import Any

from local_pods import LocalPods


def rows(local: LocalPods, table: str) -> list[tuple[Any, ...]]:
    """Return the table's rows without what says when and by which batch they were made, in key order."""
    code = (
        "import duckdb, json, sys; c = duckdb.connect(sys.argv[1], read_only=True); "
        f"r = c.execute('SELECT * EXCLUDE (batch_id, processed_at) FROM {table} ORDER BY 1, 2'); "
        "print(json.dumps(r.fetchall(), default=str))"
    )
    path = local.environment["WAREHOUSE_URL"].removeprefix("duckdb://")
    done = local.run_program("python", "-c", code, path)
    return [tuple(row) for row in json.loads(done)]


def assert_balanced(local: LocalPods) -> dict[str, Any]:
    books: dict[str, Any] = json.loads(local.run_program("stockpipe-auditor", "books", "--json"))
    assert books["balanced"], books["findings"]
    return books


def report(tmp_path: Path, dag_id: str) -> dict[str, Any]:
    """Return the report that was written last."""
    contents: list[dict[str, Any]] = []
    for found in (tmp_path / "lake/reports" / dag_id).glob("*.json"):
        assert found.with_suffix(".md").read_text().startswith(f"# {dag_id}: ")
        contents.append(json.loads(found.read_text()))
    return max(contents, key=lambda each: each["written_at"])
