"""OpenTelemetry spans from the commit records: each request to a source is a trace, from the fetch to the warehouse."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import get_args

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import SpanContext, TraceFlags

from stockpipe.auditor.lineage.telling import loads
from stockpipe.auditor.period import Period
from stockpipe.common.contracts.manifests import ProcessedManifest, RawManifest
from stockpipe.common.contracts.tables import DATASETS
from stockpipe.common.contracts.topics import TopicKind
from stockpipe.common.errors import Unavailable
from stockpipe.common.lake.manifests import processed_manifests, raw_manifests
from stockpipe.common.lake.store import ObjectStore
from stockpipe.common.settings import KafkaSettings
from stockpipe.common.times import from_text
from stockpipe.common.trace_ids import span_id, trace_id
from stockpipe.common.warehouse.reader import WarehouseReader

AT_ONCE = 500


@dataclass(frozen=True)
class Step:
    """One span: what became of a request's records in `service`, and when."""

    fetch_id: str
    service: str
    name: str
    parts: tuple[str, ...]
    start: datetime
    end: datetime
    attributes: dict[str, str | int]

    @property
    def id(self) -> int:
        """Return the span's id; that of the request itself is the root's."""
        return span_id(self.fetch_id, *self.parts)

    def span(self) -> ReadableSpan:
        """Return the finished span."""
        trace, flags = trace_id(self.fetch_id), TraceFlags(TraceFlags.SAMPLED)
        root = SpanContext(trace, span_id(self.fetch_id), is_remote=False, trace_flags=flags)
        return ReadableSpan(
            self.name,
            SpanContext(trace, self.id, is_remote=False, trace_flags=flags) if self.parts else root,
            parent=root if self.parts else None,
            resource=Resource({"service.name": f"stockpipe-{self.service}"}),
            attributes={"fetch_id": self.fetch_id, **self.attributes},
            start_time=_nanoseconds(min(self.start, self.end)),
            end_time=_nanoseconds(self.end),
        )


class Tracing:
    """Exports each step once as long as it lives; a step has the same id whenever it is exported."""

    def __init__(self, kafka: KafkaSettings, store: ObjectStore, exporter: SpanExporter) -> None:
        self._topics = [kafka.topic(kind) for kind in get_args(TopicKind)]
        self._store = store
        self._exporter = exporter
        self._exported: set[int] = set()

    def export(self, period: Period, reader: WarehouseReader) -> int:
        """Export the steps of requests whose records were landed in `period`; return how many are new.

        Raises:
            Unavailable: the collector, the lake or the warehouse can't be reached; what was exported stays so.
        """
        steps = {step.id: step for step in self._steps(period, reader)}
        self._exported &= steps.keys()
        new = [step for identity, step in steps.items() if identity not in self._exported]
        for start in range(0, len(new), AT_ONCE):
            part = new[start : start + AT_ONCE]
            if self._exporter.export([step.span() for step in part]) is not SpanExportResult.SUCCESS:
                raise Unavailable("TRACES_URL: the collector took no spans; its log or the exporter's says why")
            self._exported |= {step.id for step in part}
        return len(new)

    def _steps(self, period: Period, reader: WarehouseReader) -> Iterator[Step]:
        landed: dict[tuple[str, int], list[RawManifest]] = defaultdict(list)
        for topic in self._topics:
            for raw in raw_manifests(self._store, topic):
                if period.includes(raw.written_at):
                    landed[raw.topic, raw.partition].append(raw)
                    yield from _landed(raw)
        batches: dict[tuple[str, str], tuple[ProcessedManifest, dict[str, datetime]]] = {}
        for name in DATASETS:
            for manifest in processed_manifests(self._store, name, period.first):
                if fetches := _fetches_of(manifest, landed):
                    batches[name, manifest.batch_id] = manifest, fetches
                    yield from _processed(manifest, fetches)
        for load in loads(reader):
            if batch := batches.get((load.dataset, load.batch_id)):
                manifest, fetches = batch
                about: dict[str, str | int] = {"dataset": load.dataset, "batch_id": load.batch_id}
                start, end = from_text(manifest.produced_at), from_text(load.loaded_at)
                for fetch_id in fetches:
                    yield Step(fetch_id, "loader", "load", ("load", load.dataset, load.batch_id), start, end, about)


def collector(url: str) -> SpanExporter:
    """Return the way to the OpenTelemetry collector at `url`."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter(endpoint=url, timeout=10)


def _landed(raw: RawManifest) -> Iterator[Step]:
    offsets: dict[str, str | int] = {
        "topic": raw.topic,
        "partition": raw.partition,
        "first_offset": raw.start,
        "last_offset": raw.end - 1,
    }
    written = from_text(raw.written_at)
    for fetch_id, request in raw.fetches.items():
        if (at := _fetched_at(fetch_id)) is None:
            continue
        yield Step(fetch_id, "producer", "fetch", (), at, at, {"request": request, "topic": raw.topic})
        parts = ("land", raw.topic, str(raw.partition), str(raw.start))
        yield Step(fetch_id, "consumer", "land", parts, at, written, offsets)


def _fetches_of(manifest: ProcessedManifest, landed: dict[tuple[str, int], list[RawManifest]]) -> dict[str, datetime]:
    """Return when each request's records, of those that were landed, were there for the batch to read."""
    found: dict[str, datetime] = {}
    for entry in (*manifest.inputs, *manifest.also_read):
        for raw in landed.get((entry.topic, entry.partition), []):
            if raw.start < entry.end and entry.start < raw.end:
                for fetch_id in raw.fetches:
                    streams = manifest.dataset == "realtime_live"
                    at = _fetched_at(fetch_id) if streams else from_text(raw.written_at)
                    if at is not None:
                        found[fetch_id] = at
    return found


def _processed(manifest: ProcessedManifest, fetches: dict[str, datetime]) -> Iterator[Step]:
    about: dict[str, str | int] = {"dataset": manifest.dataset, "batch_id": manifest.batch_id}
    for fetch_id, at in fetches.items():
        parts = ("process", manifest.dataset, manifest.batch_id)
        yield Step(fetch_id, "spark", "process", parts, at, from_text(manifest.produced_at), about)


def _fetched_at(fetch_id: str) -> datetime | None:
    """Return the time that a request's id tells; None of one in another form."""
    _source, _dash, rest = fetch_id.partition("-")
    with suppress(ValueError):
        return datetime.strptime(rest.partition("-")[0], "%Y%m%dT%H%M%S%fZ").replace(tzinfo=UTC)
    return None


def _nanoseconds(at: datetime) -> int:
    return int(at.timestamp() * 1e6) * 1000
