"""The way of a warehouse row back to its requests, as text."""

from stockpipe.auditor.settings import TraceSettings
from stockpipe.common.errors import ConfigError
from stockpipe.common.lake.store import ObjectStore
from stockpipe.common.trace import Source, Trace, trace_daily, trace_window
from stockpipe.common.warehouse.reader import WarehouseReader


def trace(settings: TraceSettings, store: ObjectStore, reader: WarehouseReader) -> Trace:
    """Walk the row back that the settings name.

    Raises:
        ConfigError: neither or both of DATE and WINDOW_START are given.
        PipelineError: there is no such row, or a step of its way is missing.
    """
    match settings.day, settings.window_start:
        case day, None if day:
            return trace_daily(
                store, reader, settings.kafka_topic_batch, settings.kafka_topic_actions, settings.symbol, day
            )
        case None, start if start:
            return trace_window(store, reader, settings.kafka_topic_realtime, settings.symbol, start)
    raise ConfigError("give either DATE (--date) or WINDOW_START (--window-start)")


def render(found: Trace) -> str:
    """Return the way as indented text."""
    row, batch = found.row, found.batch
    lines = [f"{found.table}"]
    lines += [f"  {name}: {value}" for name, value in row.items() if value is not None]
    lines.append(f"└─ loaded at {found.loaded['loaded_at']} from batch {batch.batch_id} of {batch.dataset}")
    lines.append(f"   └─ computed at {batch.produced_at}, manifest {found.batch_manifest}")
    moments = f"{found.sources[0].moment} to {found.sources[-1].moment}"
    lines.append(f"      └─ from {len(found.sources)} raw rows, {moments}")
    for key, sources in _grouped(found.sources, "raw_object").items():
        offsets = f"{sources[0].offset} to {sources[-1].offset}"
        lines.append(f"         ├─ {len(sources)} rows of {key}")
        lines.append(f"         │  {sources[0].topic} partition {sources[0].partition}, offsets {offsets}")
        fetches = _grouped(sources, "fetch_id")
        for shown, (fetch_id, fetched) in enumerate(fetches.items()):
            if shown == 3 and len(fetches) > 4:
                lines.append(f"         │  … {len(fetches) - 3} more fetches; --json lists all")
                break
            lines.append(f"         │  fetch {fetch_id} at {fetched[0].fetched_at}: {fetched[0].request}")
    return "\n".join(lines)


def _grouped(sources: list[Source], attribute: str) -> dict[str, list[Source]]:
    groups: dict[str, list[Source]] = {}
    for source in sources:
        groups.setdefault(getattr(source, attribute), []).append(source)
    return groups
