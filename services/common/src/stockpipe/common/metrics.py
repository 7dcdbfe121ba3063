"""Every metric of every service: name, help and labels, declared once."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_LATENCY_SECONDS = (0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
_DELAY_SECONDS = (5, 10, 15, 20, 30, 45, 60, 90, 120, 300, 900, 3600)


class ProducerMetrics:
    """What the producer exports."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.records = Counter(
            "stockpipe_producer_records_total",
            "Records sent to Kafka",
            ["topic", "source"],
            registry=registry,
        )
        self.delivery_failures = Counter(
            "stockpipe_producer_delivery_failures_total",
            "Records Kafka did not take",
            ["topic"],
            registry=registry,
        )
        self.fetch_failures = Counter(
            "stockpipe_producer_fetch_failures_total",
            "Requests to a source that gave no records, by reason",
            ["source", "reason"],
            registry=registry,
        )
        self.rounds_skipped = Counter(
            "stockpipe_producer_rounds_skipped_total",
            "Rounds left out because the one before was still running",
            registry=registry,
        )
        self.source_calls = Counter(
            "stockpipe_producer_source_calls_total",
            "HTTP requests to a source, by the status it answered; error = no answer",
            ["source", "status"],
            registry=registry,
        )
        self.quota_remaining = Gauge(
            "stockpipe_producer_quota_remaining",
            "Calls that a source's longest budget still allows in its current window",
            ["source"],
            registry=registry,
        )
        self.quota_limit = Gauge(
            "stockpipe_producer_quota_limit",
            "Calls that a source's longest budget allows in one window",
            ["source"],
            registry=registry,
        )
        self.source_skips = Counter(
            "stockpipe_producer_source_skips_total",
            "Times a source was passed over, by reason: busy, cooling_down, no_quota",
            ["source", "reason"],
            registry=registry,
        )
        self.bars_refused = Counter(
            "stockpipe_producer_bars_refused_total",
            "Rows of a source's answers that are no bars, by reason",
            ["source", "reason"],
            registry=registry,
        )
        self.cross_check_differences = Counter(
            "stockpipe_producer_cross_check_differences_total",
            "Bars in which two sources differ by more than the tolerance, by field",
            ["source", "other", "field"],
            registry=registry,
        )
        self.oldest_quote = Gauge(
            "stockpipe_producer_oldest_quote_seconds",
            "Age of the stalest symbol's last answered round, among the symbols whose exchange is open",
            registry=registry,
        )
        self.source_cooling = Gauge(
            "stockpipe_producer_source_cooling", "1 while a source is left alone", ["source"], registry=registry
        )
        self.source_cooldowns = Counter(
            "stockpipe_producer_source_cooldowns_total",
            "Cool-downs that this process began",
            ["source"],
            registry=registry,
        )
        self.fetch_seconds = Histogram(
            "stockpipe_producer_fetch_seconds",
            "Duration of one request to a source",
            ["source"],
            buckets=_LATENCY_SECONDS,
            registry=registry,
        )

    def rest(self) -> None:
        """Forget what is only true while sources are asked, so that no alert of the afternoon lasts all night."""
        self.oldest_quote.set(0)
        self.source_cooling.clear()
        self.quota_remaining.clear()


class ConsumerMetrics:
    """What the consumer exports."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.records = Counter(
            "stockpipe_consumer_records_total",
            "Records accepted into the raw lake",
            ["topic"],
            registry=registry,
        )
        self.rejected = Counter(
            "stockpipe_consumer_rejected_total",
            "Records sent to the DLQ, by reason",
            ["topic", "reason"],
            registry=registry,
        )
        self.skipped = Counter(
            "stockpipe_consumer_skipped_offsets_total",
            "Offsets the broker never delivers (transaction markers, compaction)",
            ["topic"],
            registry=registry,
        )
        self.lag = Gauge(
            "stockpipe_consumer_lag_records",
            "Records of this process's partitions that Kafka has and no raw manifest covers yet",
            ["topic"],
            registry=registry,
        )
        self.objects = Counter(
            "stockpipe_consumer_objects_total",
            "Objects listed in raw manifests",
            ["topic"],
            registry=registry,
        )
        self.adopted = Counter(
            "stockpipe_consumer_manifests_adopted_total",
            "Flushes dropped because the offsets had a manifest already",
            ["topic"],
            registry=registry,
        )
        self.store_failures = Counter(
            "stockpipe_consumer_store_failures_total",
            "Flushes put off because the store failed",
            ["topic"],
            registry=registry,
        )
        self.commit_failures = Counter(
            "stockpipe_consumer_commit_failures_total",
            "Offset commits that Kafka refused",
            ["topic"],
            registry=registry,
        )
        self.flush_seconds = Histogram(
            "stockpipe_consumer_flush_seconds",
            "Duration of one partition's flush, from first PUT to manifest",
            ["topic"],
            buckets=_LATENCY_SECONDS,
            registry=registry,
        )
        self.breaker_open = Gauge(
            "stockpipe_consumer_breaker_open", "1 after the DLQ breaker tripped", ["topic"], registry=registry
        )


class SparkMetrics:
    """What the stream job exports."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.rows_in = Counter("stockpipe_spark_rows_in_total", "Kafka records read", ["job"], registry=registry)
        self.rows_refused = Counter(
            "stockpipe_spark_rows_refused_total",
            "Kafka records that break their contract",
            ["job"],
            registry=registry,
        )
        self.rows_dropped_by_watermark = Counter(
            "stockpipe_spark_rows_dropped_by_watermark_total",
            "Quotes that came after their windows closed; the stream-batch job repairs them",
            ["job"],
            registry=registry,
        )
        self.rows_duplicate = Counter(
            "stockpipe_spark_rows_duplicate_total",
            "Copies of quotes that came before; a quote counts once",
            ["job"],
            registry=registry,
        )
        self.rows_out = Counter("stockpipe_spark_rows_out_total", "Rows of windows written", ["job"], registry=registry)
        self.last_progress = Gauge(
            "stockpipe_spark_last_progress_timestamp_seconds",
            "When the last trigger began, with or without new records, seconds since the epoch",
            ["job"],
            registry=registry,
        )
        self.batch_seconds = Histogram(
            "stockpipe_spark_batch_seconds",
            "Duration of one micro-batch",
            ["job"],
            buckets=_LATENCY_SECONDS,
            registry=registry,
        )


class LoaderMetrics:
    """What the loader exports."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.batches = Counter("stockpipe_loader_batches_total", "Batches loaded", ["dataset"], registry=registry)
        self.rows = Counter(
            "stockpipe_loader_rows_total",
            "Rows merged, by what became of them: inserted, updated, stale",
            ["dataset", "outcome"],
            registry=registry,
        )
        self.failures = Counter(
            "stockpipe_loader_failures_total",
            "Batches that could not be loaded",
            ["dataset"],
            registry=registry,
        )
        self.polls_failed = Counter(
            "stockpipe_loader_polls_failed_total",
            "Looks for new batches that failed because lake or warehouse could not be reached",
            registry=registry,
        )
        self.check_warnings = Counter(
            "stockpipe_loader_check_warnings_total",
            "Rows that a warn check found",
            ["dataset", "check"],
            registry=registry,
        )
        self.checks_failed = Counter(
            "stockpipe_loader_checks_failed_total",
            "Tries to load a batch that a fail check refused, by check",
            ["dataset", "check"],
            registry=registry,
        )
        self.event_to_warehouse = Histogram(
            "stockpipe_loader_event_to_warehouse_seconds",
            "From a symbol's newest quote in a batch of the stream to the batch's commit, one observation a symbol",
            ["dataset"],
            buckets=_DELAY_SECONDS,
            registry=registry,
        )
        self.newest_event = Gauge(
            "stockpipe_loader_newest_event_timestamp_seconds",
            "Newest quote or session date among the rows this process loaded, seconds since the epoch",
            ["dataset"],
            registry=registry,
        )
        self.load_seconds = Histogram(
            "stockpipe_loader_load_seconds",
            "Duration of one batch's load",
            ["dataset"],
            buckets=_LATENCY_SECONDS,
            registry=registry,
        )


class AuditorMetrics:
    """What `stockpipe-auditor watch` exports, of the days it audits."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.unaccounted = Gauge(
            "stockpipe_records_unaccounted",
            "Records or rows that a hop can't account for in two audits in a row",
            ["hop"],
            registry=registry,
        )
        self.gap_offsets = Gauge(
            "stockpipe_auditor_manifest_gap_offsets",
            "Offsets between raw manifests that none covers",
            ["topic"],
            registry=registry,
        )
        self.overlap_offsets = Gauge(
            "stockpipe_auditor_manifest_overlap_offsets",
            "Offsets that two raw manifests cover",
            ["topic"],
            registry=registry,
        )
        self.orphans = Gauge(
            "stockpipe_auditor_orphan_objects",
            "Objects that no manifest needs and `stockpipe-auditor maintain` would remove",
            ["prefix"],
            registry=registry,
        )
        self.offsets_waiting = Gauge(
            "stockpipe_auditor_offsets_waiting",
            "Offsets in Kafka, not yet in the raw lake",
            ["topic"],
            registry=registry,
        )
        self.records_waiting = Gauge(
            "stockpipe_auditor_records_waiting",
            "Raw records that no batch of the dataset has read yet",
            ["dataset"],
            registry=registry,
        )
        self.batches_waiting = Gauge(
            "stockpipe_auditor_batches_waiting",
            "Processed batches, not yet in the warehouse",
            ["dataset"],
            registry=registry,
        )
        self.dropped_records = Gauge(
            "stockpipe_auditor_dropped_records",
            "Input rows that no output row of the audited batches uses, by reason",
            ["dataset", "reason"],
            registry=registry,
        )
        self.staleness = Gauge(
            "stockpipe_staleness_market_seconds",
            "Open time of the exchange since the newest quote, or the newest session's close, in the warehouse",
            ["table"],
            registry=registry,
        )
        self.audits = Counter("stockpipe_auditor_audits_total", "Audits that were finished", registry=registry)
        self.failures = Counter(
            "stockpipe_auditor_failures_total", "Audits that could not be finished", registry=registry
        )
        self.audit_seconds = Histogram(
            "stockpipe_auditor_audit_seconds",
            "Duration of one audit",
            buckets=_LATENCY_SECONDS,
            registry=registry,
        )
        self.last_success = Gauge(
            "stockpipe_auditor_last_success_timestamp_seconds",
            "When the last audit was finished, seconds since the epoch",
            registry=registry,
        )


class ApiMetrics:
    """What the API exports."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "stockpipe_api_requests_total",
            "Requests answered, by route, method and status",
            ["route", "method", "status"],
            registry=registry,
        )
        self.request_seconds = Histogram(
            "stockpipe_api_request_seconds",
            "Seconds until a request's answer was complete; streams are not counted",
            ["route"],
            buckets=_LATENCY_SECONDS,
            registry=registry,
        )
        self.denied = Counter(
            "stockpipe_api_denied_total",
            "Requests refused: no_key, wrong_key, wrong_token, role, rate",
            ["reason"],
            registry=registry,
        )
        self.cache = Counter(
            "stockpipe_api_cache_total",
            "Answers by where they came from: hit, miss, not_modified",
            ["outcome"],
            registry=registry,
        )
        self.stream_clients = Gauge("stockpipe_api_stream_clients", "Clients of /v1/stream now", registry=registry)
        self.polls_failed = Counter(
            "stockpipe_api_polls_failed_total", "Looks for new batches that failed", registry=registry
        )
        self.newest_batch = Gauge(
            "stockpipe_api_newest_batch_timestamp_seconds",
            "When the newest batch that the API shows was loaded, seconds since the epoch",
            ["database"],
            registry=registry,
        )
