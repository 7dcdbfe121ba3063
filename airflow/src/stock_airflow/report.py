"""The report of a run: rows of every hop, durations, quality, freshness, and what is out of the ordinary."""

import json
import logging
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, cast

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowFailException

from stock_airflow.alerts import report_name
from stock_airflow.identity import batch_id
from stock_airflow.lake import landed, processed_manifest, write_report
from stock_airflow.settings import SETTINGS

Report = dict[str, Any]
log = logging.getLogger(__name__)
BAD = ("failed", "upstream_failed")


def finish_run(context: Context, dataset: str | None, hops: Mapping[str, str]) -> Report:
    """Write the run's report to the lake and return it.

    `dataset` is what the run computed, if anything. `hops` names the tasks whose summaries count, by hop: `fetched`,
    `landed`, `audited`, `loaded`. What a daily run landed is in the manifests since it began: a consumer that was
    killed in between told nothing.

    Raises:
        AirflowFailException: a task failed; the report is written first.
    """
    run, ti = context["dag_run"], cast(Any, context["ti"])
    identity = batch_id(run.dag_id, run, context["params"])
    summaries = {hop: ti.xcom_pull(task_ids=task_id) or {} for hop, task_id in hops.items()}
    if dataset == "daily":
        # `dag.test` says that the run began at its logical date
        began = max(run.run_after, run.start_date or run.run_after)
        summaries["landed"] = landed(SETTINGS.topic_batch, began)
    report = make_report(
        dag_id=run.dag_id,
        run_id=run.run_id,
        identity=identity,
        tasks=list(ti.get_task_breadcrumbs(run.dag_id, run.run_id)),
        summaries=summaries,
        computed=processed_manifest(dataset, identity) if dataset else None,
        now=datetime.now(UTC),
    )
    name = report_name(run.dag_id, run.run_id)
    write_report(f"{name}.json", json.dumps(report, indent=2))
    url = write_report(f"{name}.md", as_markdown(report))
    log.info("report: %s", url)
    if failed := [task["task"] for task in report["tasks"] if task["state"] in BAD]:
        raise AirflowFailException(f"failed: {', '.join(failed)}; the report is {url}")
    return report


def make_report(
    *,
    dag_id: str,
    run_id: str,
    identity: str,
    tasks: Iterable[Mapping[str, Any]],
    summaries: Mapping[str, Mapping[str, Any]],
    computed: Mapping[str, Any] | None,
    now: datetime,
) -> Report:
    """Return the report as plain data; a hop that has no summary is left out of `rows`."""
    fetched, landed, audited, loaded = (summaries.get(hop, {}) for hop in ("fetched", "landed", "audited", "loaded"))
    dropped = (computed or {}).get("rows_dropped") or {}
    rows = {
        "fetched": fetched.get("records"),
        "landed": landed.get("records"),
        "rejected": landed.get("rejected"),
        "read by Spark": (computed or {}).get("rows_in"),
        "dropped by Spark": sum(dropped.values()) if computed else None,
        "computed": (computed or {}).get("rows_out"),
        "inserted": loaded.get("inserted"),
        "updated": loaded.get("updated"),
        "stale": loaded.get("stale"),
    }
    states = [
        {"task": _label(task), "state": task["state"], "seconds": round(task.get("duration") or 0.0, 1)}
        for task in tasks
    ]
    newest = landed.get("newest")
    report: Report = {
        "dag_id": dag_id,
        "run_id": run_id,
        "batch_id": identity,
        "written_at": now.isoformat(timespec="seconds"),
        "state": "failed" if any(task["state"] in BAD for task in states) else "success",
        "rows": {hop: count for hop, count in rows.items() if count is not None},
        "tasks": states,
        "quality": {
            "failed_symbols": fetched.get("failed", {}),
            "dropped": {reason: count for reason, count in dropped.items() if count},
            "checks": list(loaded.get("checks", ())),
            "unaccounted": audited.get("unaccounted", {}),
        },
        "newest": newest or None,
        "freshness_seconds": round((now - datetime.fromisoformat(newest)).total_seconds()) if newest else None,
    }
    report["anomalies"] = list(_anomalies(report))
    return report


def _anomalies(report: Report) -> Iterable[str]:
    rows, quality = report["rows"], report["quality"]
    for task in report["tasks"]:
        if task["state"] in BAD:
            yield f"{task['task']} is {task['state']}"
    for symbol, reason in quality["failed_symbols"].items():
        yield f"{symbol} gave nothing: {reason}"
    if rows.get("rejected"):
        yield f"{rows['rejected']} records were rejected, see the topic's DLQ"
    for reason, count in quality["dropped"].items():
        yield f"Spark dropped {count} rows: {reason}"
    for check in filter(lambda each: each["rows"], quality["checks"]):
        verb = "refused the batch for" if check["level"] == "fail" else "found"
        yield f"check {check['check']} {verb} {check['rows']} rows"
    for hop, count in quality["unaccounted"].items():
        if count:
            yield f"{count} records are unaccounted at {hop}"
    if rows.get("computed") == 0:
        yield "Spark made no row"


def _label(task: Mapping[str, Any]) -> str:
    index = task.get("map_index")
    return f"{task['task_id']}[{index}]" if index is not None and index >= 0 else str(task["task_id"])


def as_markdown(report: Report) -> str:
    """Return the report for people."""
    lines = [
        f"# {report['dag_id']}: {report['state']}",
        "",
        f"run `{report['run_id']}`, batch `{report['batch_id']}`",
        "",
    ]
    lines += ["| hop | rows |", "|---|--:|", *(f"| {hop} | {count:,} |" for hop, count in report["rows"].items()), ""]
    lines += ["| task | state | seconds |", "|---|---|--:|"]
    lines += [f"| {task['task']} | {task['state']} | {task['seconds']} |" for task in report["tasks"]]
    if checks := report["quality"]["checks"]:
        lines += ["", "| check | level | rows that break it |", "|---|---|--:|"]
        lines += [f"| {check['check']} | {check['level']} | {check['rows']} |" for check in checks]
    lines += ["", "## Out of the ordinary", ""]
    lines += [f"- {sentence}" for sentence in report["anomalies"]] or ["Nothing."]
    if report["newest"]:
        lines += ["", f"Newest event: {report['newest']}, {report['freshness_seconds']} s before this report."]
    return "\n".join([*lines, ""])
