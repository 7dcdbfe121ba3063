"""`stockpipe-producer batch`: the daily bars of every symbol between two dates."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from stockpipe.common import ids
from stockpipe.common.clock import Clock
from stockpipe.common.errors import ConfigError
from stockpipe.common.lake.open import open_lake
from stockpipe.common.logs import Logger
from stockpipe.common.metrics import ProducerMetrics
from stockpipe.common.times import to_text
from stockpipe.producer.sender import Sender
from stockpipe.producer.settings import BatchSettings
from stockpipe.producer.sources.base import BarQuery, BarSource, Fetch
from stockpipe.producer.sources.errors import SourceError
from stockpipe.producer.sources.replay import ReplayBars
from stockpipe.producer.sources.sample import SampleBars


@dataclass
class BatchSummary:
    """What a run did; printed as JSON in the end."""

    batch_id: str
    records: int = 0
    symbols: dict[str, int] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def bar_source(name: str, settings: BatchSettings) -> BarSource:
    """Return the source of this name.

    Raises:
        ConfigError: it needs another setting.
    """
    if name == "sample":
        return SampleBars()
    if settings.lake_url is None:
        raise ConfigError("source replay needs LAKE_URL (--lake-url), the lake to replay")
    return ReplayBars(open_lake(settings.lake_url), settings.kafka_topic_batch)


def date_range(settings: BatchSettings, clock: Clock) -> tuple[date, date]:
    """Return the first and the last session date that are wanted.

    Raises:
        ConfigError: they are reversed.
    """
    last = settings.last_date or clock.now().date()
    if settings.first_date > last:
        raise ConfigError(f"FROM (--from) {settings.first_date} is after TO (--to) {last}; swap them")
    return settings.first_date, last


def send_bars(
    settings: BatchSettings,
    sources: Sequence[BarSource],
    sender: Sender,
    clock: Clock,
    entropy: ids.Entropy,
    metrics: ProducerMetrics,
    log: Logger,
) -> BatchSummary:
    """Send the bars of each symbol; one that fails is named in the summary and doesn't stop the others.

    Raises:
        ConfigError: the dates or the batch id are wrong.
    """
    first, last = date_range(settings, clock)
    batch_id = settings.batch_id or ids.batch_id(clock.now(), f"daily-{entropy()}")
    ids.batch_day(batch_id)
    summary = BatchSummary(batch_id)
    for symbol in settings.symbols:
        query = BarQuery(symbol, first, last)
        reasons = []
        for source in sources:
            now = clock.now()
            fetch = Fetch(ids.fetch_id(source.name, now, entropy()), to_text(now), batch_id)
            began = clock.monotonic()
            try:
                payload = source.fetch_bars(query)
                bars = source.parse_bars(query, payload, fetch).bars
            except SourceError as error:
                reasons.append(error.reason)
                metrics.fetch_failures.labels(source.name, type(error).__name__).inc()
                log.warning("fetch_failed", symbol=symbol, detail=str(error))
                continue
            metrics.fetch_seconds.labels(source.name).observe(clock.monotonic() - began)
            for bar in bars:
                sender.send(bar, payload.request)
            summary.symbols[symbol] = len(bars)
            summary.records += len(bars)
            log.info("symbol_sent", symbol=symbol, bars=len(bars), fetch_id=fetch.id)
            break
        else:
            summary.failed[symbol] = "; ".join(reasons)
        sender.poll()
    return summary
