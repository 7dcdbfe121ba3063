"""Every alert fires for what it names and stays quiet otherwise; nights, half days and holidays raise none."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from stockpipe.common.calendar import open_seconds, sessions
from support.rule_cases import RULES, Case, run_cases

TOPIC = 'topic="stock-market-realtime"'
STALE = 'stockpipe_staleness_market_seconds{{table="{}"}}'
REALTIME, DAILY = STALE.format("REALTIME_STOCK_ANALYTICS"), STALE.format("DAILY_STOCK_METRICS")
KAFKA, MINIO = ('persistentvolumeclaim="data-stock-kafka-0"', 'persistentvolumeclaim="data-stock-minio-0"')
WAITING = f"stockpipe_auditor_offsets_waiting{{{TOPIC}}}"
BATCHES = 'stockpipe_auditor_batches_waiting{dataset="daily"}'
FAILED_LOADS = 'stockpipe_loader_failures_total{dataset="daily"}'
POLLS_FAILED = "stockpipe_loader_polls_failed_total"
JOB = 'kube_job_status_failed{job_name="stock-pipeline-daily-29400000"}'
LATENCY = 'stockpipe_loader_event_to_warehouse_seconds_bucket{{dataset="realtime_live",le="{}"}}'


def volume(claim: str, percent: int) -> dict[str, str]:
    return {
        f"kubelet_volume_stats_used_bytes{{{claim}}}": f"{percent}x60",
        f"kubelet_volume_stats_capacity_bytes{{{claim}}}": "100x60",
    }


def latency(within_60: int, within_120: int) -> dict[str, str]:
    return {
        LATENCY.format("60"): f"0+{within_60}x60",
        LATENCY.format("120"): f"0+{within_120}x60",
        LATENCY.format("+Inf"): f"0+{within_120}x60",
    }


def refused(rejected: int) -> dict[str, str]:
    return {
        f'stockpipe_consumer_rejected_total{{{TOPIC},reason="not_json"}}': f"0+{rejected}x60",
        f"stockpipe_consumer_records_total{{{TOPIC}}}": "0+1000x60",
    }


def odd_rows(found: int) -> dict[str, str]:
    return {
        'stockpipe_loader_check_warnings_total{dataset="daily",check="sessions"}': f"0+{found}x60",
        'stockpipe_loader_rows_total{dataset="daily",outcome="inserted"}': "0+900x60",
        'stockpipe_loader_rows_total{dataset="daily",outcome="stale"}': "0+100x60",
    }


def stream_rows(*, rows: int = 100, duplicate: float = 0, late: float = 0) -> dict[str, str]:
    job = '{job="spark_stream_processor"}'
    return {
        f"stockpipe_spark_rows_in_total{job}": f"0+{rows}x60",
        f"stockpipe_spark_rows_duplicate_total{job}": f"0+{duplicate:g}x60",
        f"stockpipe_spark_rows_dropped_by_watermark_total{job}": f"0+{late:g}x60",
    }


def answers(good: int, bad: int, *, other: str = "503", route: str = "/v1/daily/{symbol}") -> dict[str, str]:
    return {
        f'stockpipe_api_requests_total{{route="{route}",status="{status}"}}': f"0+{count}x60"
        for status, count in (("200", good), (other, bad))
    }


def sources(*cooling: int) -> dict[str, str]:
    return {f'stockpipe_producer_source_cooling{{source="s{n}"}}': f"{each}x60" for n, each in enumerate(cooling)}


PLAIN = [
    Case(
        "all is well", {"stockpipe_records_unaccounted{hop='kafka-raw'}": "0x60", **refused(0), **sources(0)}, {60: []}
    ),
    Case(
        "a record is missing, then found",
        {"stockpipe_records_unaccounted{hop='raw-processed'}": "0x5 3x10 0x20"},
        {9: [], 12: ["RecordsUnaccounted"], 18: []},
    ),
    Case(
        "a hop is behind for a moment", {"stockpipe_records_unaccounted{hop='raw-processed'}": "0x5 3x3 0x20"}, {8: []}
    ),
    Case(
        "the breaker trips",
        {f"stockpipe_consumer_breaker_open{{{TOPIC}}}": "0x5 1x20"},
        {5: [], 6: ["ConsumerStopped"]},
    ),
    Case("a twentieth is refused", refused(50), {8: [], 15: ["TooManyRefused"]}),
    Case("one in a thousand is refused", refused(1), {60: []}),
    Case("a tenth are copies", stream_rows(duplicate=10), {8: [], 15: ["ManyDuplicates"]}),
    Case("a fiftieth comes late", stream_rows(late=2), {8: [], 15: ["ManyLateQuotes"]}),
    Case("few are late or copies", stream_rows(duplicate=2, late=0.5), {60: []}),
    Case("nothing comes at night", stream_rows(rows=0), {60: []}),
    Case("no quote comes through", {REALTIME: "20x5 60+60x60"}, {9: [], 15: ["WarehouseStale"]}),
    Case("the day before is missing", {DAILY: "23400x10 26000+600x20"}, {10: [], 20: ["DailyMetricsMissing"]}),
    Case("rows are late", latency(50, 100), {5: [], 20: ["DeliverySlow"]}),
    Case("rows are in time", latency(99, 100), {60: []}),
    Case("a symbol is silent", {"stockpipe_producer_oldest_quote_seconds": "0+60x60"}, {5: [], 15: ["QuotesStale"]}),
    Case("the consumer is down", {WAITING: "0x2 2000x30"}, {10: [], 20: ["LandingLate"]}),
    Case("the consumer is too slow", {WAITING: "0+2000x90"}, {15: ["LandingLate"], 40: ["LagGrows", "LandingLate"]}),
    Case("the consumer catches up", {WAITING: "100000-1000x60"}, {45: ["LandingLate"]}),
    Case(
        "a flush's worth waits and is landed, again and again",
        {WAITING: "900 0 900 0 900 0 900 0 900 0 900 0 900 0 900 0"},
        {15: []},
    ),
    Case(
        "Kafka takes nothing",
        {f"stockpipe_producer_delivery_failures_total{{{TOPIC}}}": "0x5 10+10x30"},
        {5: [], 15: ["DeliveryFails"]},
    ),
    Case(
        "the stream hangs",
        {'stockpipe_spark_last_progress_timestamp_seconds{job="spark_stream_processor"}': "0+60x10 600x30"},
        {12: [], 20: ["StreamStalled"]},
    ),
    Case(
        "the stream is gone with its metrics",
        {'stockpipe_spark_last_progress_timestamp_seconds{job="spark_stream_processor"}': "0+60x10 stale"},
        {12: [], 20: ["StreamStalled"]},
    ),
    Case("a batch can't be loaded", {FAILED_LOADS: "0+1x60", BATCHES: "1x60"}, {4: [], 30: ["LoadingFails"]}),
    Case("a batch is loaded at the second try", {FAILED_LOADS: "0 1x60", BATCHES: "1x3 0x60"}, {10: [], 30: []}),
    Case(
        "a batch fails every quarter of an hour",
        {FAILED_LOADS: "0x14 1x14 2x14 3x14 4x14 5x14", BATCHES: "1x90"},
        {minute: ["LoadingFails"] for minute in range(30, 85, 5)},
    ),
    Case(
        "a check refuses a batch at every try",
        {'stockpipe_loader_checks_failed_total{dataset="daily",check="prices"}': "_x4 1+1x20"},
        {4: [], 15: ["ChecksFail"]},
    ),
    Case("a tenth of the rows is odd", odd_rows(100), {10: [], 40: ["ManyCheckWarnings"]}),
    Case("one row in a hundred is odd", odd_rows(10), {60: []}),
    Case(
        "the warehouse is away for half an hour, and what the auditor exports stands still",
        {POLLS_FAILED: "0x5 0+6x30 180x30", BATCHES: "0x65", REALTIME: "20x65"},
        {9: [], 15: ["SinkUnreachable"], 35: ["SinkUnreachable"], 45: []},
    ),
    Case("one look fails", {POLLS_FAILED: "0x5 1x60"}, {7: [], 10: [], 12: []}),
    Case(
        "the bucket refuses the consumer",
        {f"stockpipe_consumer_store_failures_total{{{TOPIC}}}": "0x5 0+5x30"},
        {9: [], 15: ["SinkUnreachable"]},
    ),
    Case("a tenth of the API's answers fail", answers(90, 10), {4: [], 15: ["ApiFails"]}),
    Case("clients ask for what isn't there", answers(90, 50, other="404"), {60: []}),
    Case("nothing is loaded yet, say the probes", answers(0, 12, route="/readyz"), {60: []}),
    Case("the daily run failed", {JOB: "0x5 1x20"}, {9: [], 12: ["BatchJobFailed"]}),
    Case(
        "a source's calls are nearly used up",
        {
            'stockpipe_producer_quota_remaining{source="alphavantage"}': "25-1x30",
            'stockpipe_producer_quota_limit{source="alphavantage"}': "25x30",
        },
        {22: [], 29: ["QuotaEnding"]},
    ),
    Case("all sources are left alone", sources(1, 1), {4: [], 6: ["SourcesDown"]}),
    Case(
        "all sources are tried every quarter of an hour, in vain",
        {'stockpipe_producer_source_cooling{source="s"}': "1x14 0 1x14 0 1x14 0"},
        {minute: ["SourcesDown"] for minute in range(6, 45)},
    ),
    Case(
        "a source is back",
        {'stockpipe_producer_source_cooling{source="s"}': "1x10 0x20"},
        {10: ["SourcesDown"], 13: []},
    ),
    Case(
        "the exchanges close while all sources cool down and a symbol is silent",
        {
            'stockpipe_producer_source_cooling{source="s"}': "1x15 stale",
            'stockpipe_producer_quota_remaining{source="s"}': "1x15 stale",
            'stockpipe_producer_quota_limit{source="s"}': "25x60",
            "stockpipe_producer_oldest_quote_seconds": "0+60x15 0x45",
        },
        {14: ["QuotaEnding", "QuotesStale", "SourcesDown"], 20: [], 60: []},
    ),
    Case("one source of two is left alone", sources(1, 0), {60: []}),
    Case("Kafka's disk is full", volume(KAFKA, 90), {9: [], 11: ["KafkaDiskFull"]}),
    Case("MinIO's disk is full", volume(MINIO, 90), {9: [], 11: ["MinioDiskFull"]}),
    Case("disks have room", volume(KAFKA, 80) | volume(MINIO, 80), {60: []}),
    Case(
        "MinIO itself says it is full",
        {"minio_cluster_capacity_usable_free_bytes": "1x60", "minio_cluster_capacity_usable_total_bytes": "10x60"},
        {11: ["MinioDiskFull"]},
    ),
    Case(
        "audits end",
        {"stockpipe_auditor_last_success_timestamp_seconds": "0+60x10 600x60"},
        {38: [], 48: ["AuditStale"]},
    ),
    Case(
        "a program is down", {'up{job="stock-pipeline-metrics",pod="loader"}': "1x5 0x20"}, {9: [], 12: ["TargetDown"]}
    ),
    Case(
        "a pod that a PodMonitor names is down",
        {'up{job="stock-market/stock-pipeline-stream",pod="driver"}': "0x20"},
        {12: ["TargetDown"]},
    ),
    Case("another team's program is down", {'up{job="other",pod="x"}': "0x60"}, {60: []}),
]


def test_every_alert_fires_and_stays_quiet(tmp_path: Path) -> None:
    run_cases(PLAIN, tmp_path)


def test_the_cases_fire_every_alert() -> None:
    groups: list[dict[str, Any]] = yaml.safe_load(RULES.read_text())["groups"]
    alerts = {rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule}
    fired = {name for case in PLAIN for names in case.firing.values() for name in names}
    assert alerts - fired == {"Watchdog"}
    assert fired <= alerts


# Tuesday to Saturday of the week of Thanksgiving, 2026: a common day, one before the holiday, the holiday, the half day
# after it (until 18:00 UTC), and a Saturday. Sessions are from 14:30 to 21:00 UTC.
BEGIN, END, STEP = datetime(2026, 11, 24, tzinfo=UTC), datetime(2026, 11, 28, 12, tzinfo=UTC), timedelta(minutes=5)
Newest = Callable[[datetime], datetime]


def moments() -> Iterator[datetime]:
    moment = BEGIN
    while moment <= END:
        yield moment
        moment += STEP


def last_open(now: datetime) -> datetime:
    """Return the newest instant up to `now` at which the exchange was open."""
    days = [each for each in sessions("XNYS", (now - timedelta(days=7)).date(), now.date()) if each.open <= now]
    return min(now, days[-1].close)


def minute_of(text: str) -> int:
    return int((datetime.fromisoformat(text).replace(tzinfo=UTC) - BEGIN) / timedelta(minutes=1))


def market_case(name: str, newest: Newest, newest_session: Newest, firing: dict[str, list[str]]) -> Case:
    """Return a case of the staleness that the auditor exports if the newest events are those."""
    at = list(moments())
    series = {
        REALTIME: " ".join(f"{open_seconds('XNYS', newest(now), now):g}" for now in at),
        DAILY: " ".join(f"{open_seconds('XNYS', newest_session(now), now):g}" for now in at),
    }
    return Case(name, series, {minute_of(moment): names for moment, names in firing.items()}, minutes=5)


def quote_20_seconds_ago(now: datetime) -> datetime:
    return last_open(now) - timedelta(seconds=20)


def row_two_hours_after_the_close(now: datetime) -> datetime:
    past = now - timedelta(hours=2)
    days = [
        each.close for each in sessions("XNYS", (past - timedelta(days=7)).date(), past.date()) if each.close <= past
    ]
    return days[-1]


def stopped(instant: str) -> Newest:
    at = datetime.fromisoformat(instant).replace(tzinfo=UTC)
    return lambda now: min(quote_20_seconds_ago(now), at)


def hourly(*but: str) -> dict[str, list[str]]:
    hours = [BEGIN + timedelta(hours=number) for number in range(1, 108)]
    return {f"{hour:%Y-%m-%dT%H:%M}": [] for hour in hours if f"{hour:%Y-%m-%dT%H}" not in but}


MARKET = [
    market_case("a healthy week is quiet at every hour", quote_20_seconds_ago, row_two_hours_after_the_close, hourly()),
    market_case(
        "quotes stop in the afternoon",
        stopped("2026-11-24T19:00"),
        row_two_hours_after_the_close,
        {"2026-11-24T19:00": [], "2026-11-24T19:15": ["WarehouseStale"]},
    ),
    market_case(
        "quotes stop at the close before the holiday: nobody is called before the half day opens",
        stopped("2026-11-25T20:59"),
        row_two_hours_after_the_close,
        {
            "2026-11-25T23:00": [],
            "2026-11-26T15:00": [],
            "2026-11-26T20:00": [],
            "2026-11-27T14:30": [],
            "2026-11-27T14:45": ["WarehouseStale"],
        },
    ),
    market_case(
        "quotes stop in the last minutes of a half day: the night is quiet",
        stopped("2026-11-27T17:57"),
        row_two_hours_after_the_close,
        {"2026-11-27T20:00": [], "2026-11-28T06:00": []},
    ),
    market_case(
        "Tuesday's bars never come: called on Wednesday's session, not in the night",
        quote_20_seconds_ago,
        lambda _now: datetime(2026, 11, 23, 21, 0, tzinfo=UTC),
        {
            "2026-11-24T23:00": [],
            "2026-11-25T14:30": [],
            "2026-11-25T15:30": [],
            "2026-11-25T15:45": ["DailyMetricsMissing"],
        },
    ),
]


def test_alerts_follow_the_market_s_time(tmp_path: Path) -> None:
    run_cases(MARKET, tmp_path)


@pytest.mark.parametrize("case", MARKET, ids=lambda case: case.name)
def test_a_market_case_has_a_value_for_every_step(case: Case) -> None:
    assert {len(values.split()) for values in case.series.values()} == {len(list(moments()))}
