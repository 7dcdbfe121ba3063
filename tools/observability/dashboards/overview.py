"""Is data flowing, is it fresh, is it right, what is broken, what is lost."""

from observability.panels import COUNT, PER_SECOND, SECONDS, Board, panel, sometimes

OVERVIEW = Board(
    "overview",
    "overview",
    (
        panel(
            "Records unaccounted, by hop",
            "Records that a hop can't account for in two audits in a row. 0 is the only good value.",
            COUNT,
            "RecordsUnaccounted",
            ("sum by (hop) (stockpipe_records_unaccounted{$ns})", "{{hop}}"),
        ),
        panel(
            "Staleness by market time",
            "Open time of the exchange since the newest row of the table; nights and holidays add nothing. The "
            "realtime table stays below a minute, the daily one below a session and an hour.",
            SECONDS,
            "WarehouseStale",
            ("max by (table) (stockpipe_staleness_market_seconds{$ns})", "{{table}}"),
        ),
        panel(
            "From a quote to its row in the warehouse",
            "Median and 95th percentile over 15 minutes; the promise is a p95 below 60 s.",
            SECONDS,
            "DeliverySlow",
            ("stockpipe:event_to_warehouse_seconds:p50_15m{$ns}", "median"),
            ("stockpipe:event_to_warehouse_seconds:p95_15m{$ns}", "p95"),
        ),
        panel(
            "Flow, hop by hop",
            "Records a second out of the producer, into the raw lake, into the stream, and rows out of the stream and "
            "merged into the warehouse. A hop that is flat while the one before it isn't is where to look.",
            PER_SECOND,
            "LandingLate",
            ("sum(rate(stockpipe_producer_records_total{$ns}[5m]))", "1 produced"),
            ("sum(rate(stockpipe_consumer_records_total{$ns}[5m]))", "2 landed"),
            ("sum(rate(stockpipe_spark_rows_in_total{$ns}[5m]))", "3 read by the stream"),
            ("sum(rate(stockpipe_spark_rows_out_total{$ns}[5m]))", "4 windows written"),
            ("sum(rate(stockpipe_loader_rows_total{$ns}[5m]))", "5 rows loaded"),
        ),
        panel(
            "Waiting in Kafka, by topic",
            "Offsets that no raw manifest covers yet, counted by the auditor from outside.",
            COUNT,
            "LandingLate",
            ("sum by (topic) (stockpipe_auditor_offsets_waiting{$ns})", "{{topic}}"),
        ),
        panel(
            "Waiting for the warehouse, by dataset",
            "Processed batches that LOADED_BATCHES doesn't list yet.",
            COUNT,
            "LoadingFails",
            ("sum by (dataset) (stockpipe_auditor_batches_waiting{$ns})", "{{dataset}}"),
        ),
        panel(
            "Age of the stalest symbol's quote",
            "Among the symbols whose exchange is open now; 0 while all are closed.",
            SECONDS,
            "QuotesStale",
            ("max(stockpipe_producer_oldest_quote_seconds{$ns})", "age"),
        ),
        sometimes(
            "Share of records refused, by topic",
            "Records that went to the dead letters, of all records read in 15 minutes.",
            "percentunit",
            "TooManyRefused",
            ("stockpipe:refused:ratio_rate15m{$ns}", "{{topic}}"),
        ),
        sometimes(
            "Errors a second, by program",
            "What failed and is tried again. A short burst heals by itself, a line that stays is an alert.",
            PER_SECOND,
            "TargetDown",
            ("sum(rate(stockpipe_producer_fetch_failures_total{$ns}[5m]))", "fetches"),
            ("sum(rate(stockpipe_producer_delivery_failures_total{$ns}[5m]))", "deliveries to Kafka"),
            ("sum(rate(stockpipe_consumer_store_failures_total{$ns}[5m]))", "flushes"),
            ("sum(rate(stockpipe_consumer_commit_failures_total{$ns}[5m]))", "commits"),
            ("sum(rate(stockpipe_loader_failures_total{$ns}[5m]))", "loads"),
            ("sum(rate(stockpipe_loader_polls_failed_total{$ns}[5m]))", "looks of the loader"),
            ("sum(rate(stockpipe_auditor_failures_total{$ns}[5m]))", "audits"),
        ),
        panel(
            "Time since the last audit",
            "The books above are as old as this.",
            SECONDS,
            "AuditStale",
            ("time() - max(stockpipe_auditor_last_success_timestamp_seconds{$ns})", "age"),
        ),
        panel(
            "Audit, 95th percentile",
            "Duration of one audit; near AUDIT_SECONDS it needs fewer AUDIT_DAYS.",
            SECONDS,
            "AuditStale",
            ("histogram_quantile(0.95, sum by (le) (rate(stockpipe_auditor_audit_seconds_bucket{$ns}[15m])))", "p95"),
        ),
        panel(
            "Programs that answer",
            "1 for each program that Prometheus can scrape, 0 for one it can't.",
            COUNT,
            "TargetDown",
            ("min by (job, pod) (up{$ns})", "{{job}} {{pod}}"),
        ),
    ),
)
