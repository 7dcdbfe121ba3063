"""From a source's answer to the raw lake."""

from observability.panels import COUNT, PER_SECOND, SECONDS, Board, panel, sometimes

INGESTION = Board(
    "ingestion",
    "ingestion",
    (
        panel(
            "Produced, by topic and source",
            "Records that Kafka acknowledged.",
            PER_SECOND,
            "QuotesStale",
            ("sum by (topic, source) (rate(stockpipe_producer_records_total{$ns}[5m]))", "{{topic}} {{source}}"),
        ),
        panel(
            "Landed, by topic",
            "Records accepted into the raw lake.",
            PER_SECOND,
            "LandingLate",
            ("sum by (topic) (rate(stockpipe_consumer_records_total{$ns}[5m]))", "{{topic}}"),
        ),
        sometimes(
            "Refused, by topic and reason",
            "Records sent to the dead letters. The reason is the first thing to look at.",
            PER_SECOND,
            "TooManyRefused",
            ("sum by (topic, reason) (rate(stockpipe_consumer_rejected_total{$ns}[5m]))", "{{topic}} {{reason}}"),
        ),
        panel(
            "Lag, by topic",
            "Records of the running consumers' partitions that no manifest covers yet; it breathes with every flush.",
            COUNT,
            "LagGrows",
            ("sum by (topic) (stockpipe_consumer_lag_records{$ns})", "{{topic}}"),
        ),
        panel(
            "Growth of what waits in Kafka, by topic",
            "Offsets a second over 30 minutes, counted by the auditor; above 0 for long means never catching up.",
            PER_SECOND,
            "LagGrows",
            ("stockpipe:offsets_waiting:deriv30m{$ns}", "{{topic}}"),
        ),
        panel(
            "Flush, 95th percentile, by topic",
            "From the first PUT to the manifest of one partition.",
            SECONDS,
            "LandingLate",
            (
                "histogram_quantile(0.95, sum by (topic, le) (rate(stockpipe_consumer_flush_seconds_bucket{$ns}[5m])))",
                "{{topic}}",
            ),
        ),
        panel(
            "Objects written, by topic",
            "Objects a second that raw manifests list.",
            PER_SECOND,
            "LandingLate",
            ("sum by (topic) (rate(stockpipe_consumer_objects_total{$ns}[5m]))", "{{topic}}"),
        ),
        sometimes(
            "Consumer troubles",
            "Flushes put off because the bucket failed, commits that Kafka refused, flushes dropped because another "
            "consumer was first.",
            PER_SECOND,
            "LandingLate",
            ("sum by (topic) (rate(stockpipe_consumer_store_failures_total{$ns}[5m]))", "{{topic}} store"),
            ("sum by (topic) (rate(stockpipe_consumer_commit_failures_total{$ns}[5m]))", "{{topic}} commit"),
            ("sum by (topic) (rate(stockpipe_consumer_manifests_adopted_total{$ns}[5m]))", "{{topic}} adopted"),
        ),
        sometimes(
            "Breaker",
            "1 once most of the last records were refused: the consumer stopped before the rest went there too.",
            COUNT,
            "ConsumerStopped",
            ("max by (topic) (stockpipe_consumer_breaker_open{$ns})", "{{topic}}"),
        ),
        panel(
            "Offsets that were never delivered, by topic",
            "Transaction markers and compacted offsets; they are in the books as skipped.",
            PER_SECOND,
            "RecordsUnaccounted",
            ("sum by (topic) (rate(stockpipe_consumer_skipped_offsets_total{$ns}[5m]))", "{{topic}}"),
        ),
        sometimes(
            "Deliveries that failed, by topic",
            "Records that Kafka did not take within its time-out.",
            PER_SECOND,
            "DeliveryFails",
            ("sum by (topic) (rate(stockpipe_producer_delivery_failures_total{$ns}[5m]))", "{{topic}}"),
        ),
        panel(
            "Rounds left out",
            "Rounds of quotes that were skipped because the one before was still running.",
            PER_SECOND,
            "QuotesStale",
            ("sum(rate(stockpipe_producer_rounds_skipped_total{$ns}[5m]))", "skipped"),
        ),
    ),
)
