"""From processed files to the warehouse's rows."""

from observability.panels import COUNT, PER_SECOND, SECONDS, Board, panel, sometimes

WAREHOUSE = Board(
    "warehouse",
    "warehouse and freshness",
    (
        panel(
            "Staleness by market time",
            "Open time of the exchange since the newest row of the table.",
            SECONDS,
            "WarehouseStale",
            ("max by (table) (stockpipe_staleness_market_seconds{$ns})", "{{table}}"),
        ),
        panel(
            "From a quote to its row in the warehouse",
            "Observed by the loader at each commit of a batch of the stream, over 15 minutes.",
            SECONDS,
            "DeliverySlow",
            ("stockpipe:event_to_warehouse_seconds:p50_15m{$ns}", "median"),
            ("stockpipe:event_to_warehouse_seconds:p95_15m{$ns}", "p95"),
        ),
        panel(
            "Age of the newest event loaded, by dataset",
            "Wall-clock time, so it grows at night.",
            SECONDS,
            "WarehouseStale",
            ("time() - max by (dataset) (stockpipe_loader_newest_event_timestamp_seconds{$ns})", "{{dataset}}"),
        ),
        panel(
            "Batches loaded, by dataset",
            "Batches a second whose transaction was committed.",
            PER_SECOND,
            "LoadingFails",
            ("sum by (dataset) (rate(stockpipe_loader_batches_total{$ns}[5m]))", "{{dataset}}"),
        ),
        panel(
            "Rows merged, by dataset and outcome",
            "Stale rows were not newer than the row already there; a batch that is loaded again has only these.",
            PER_SECOND,
            "LoadingFails",
            ("sum by (dataset, outcome) (rate(stockpipe_loader_rows_total{$ns}[5m]))", "{{dataset}} {{outcome}}"),
        ),
        panel(
            "Load, 95th percentile, by dataset",
            "From fetching a batch's files to its commit.",
            SECONDS,
            "LoadingFails",
            (
                "histogram_quantile(0.95, sum by (dataset, le) (rate(stockpipe_loader_load_seconds_bucket{$ns}[15m])))",
                "{{dataset}}",
            ),
        ),
        panel(
            "Batches that wait, by dataset",
            "Processed batches that LOADED_BATCHES doesn't list yet.",
            COUNT,
            "LoadingFails",
            ("sum by (dataset) (stockpipe_auditor_batches_waiting{$ns})", "{{dataset}}"),
        ),
        sometimes(
            "Loads that failed, by dataset",
            "Tries, not batches: a batch that can't be loaded is tried again, ever later.",
            PER_SECOND,
            "LoadingFails",
            ("sum by (dataset) (rate(stockpipe_loader_failures_total{$ns}[5m]))", "{{dataset}}"),
        ),
        sometimes(
            "Batches that fail checks refused, by check",
            "Tries; DATA_QUALITY_RESULTS has the batch, the rows and when.",
            PER_SECOND,
            "ChecksFail",
            ("sum by (dataset, check) (rate(stockpipe_loader_checks_failed_total{$ns}[15m]))", "{{dataset}} {{check}}"),
        ),
        sometimes(
            "Rows that warn checks found, by check",
            "They were loaded; DATA_QUALITY_RESULTS has the batch of each.",
            PER_SECOND,
            "ManyCheckWarnings",
            (
                "sum by (dataset, check) (rate(stockpipe_loader_check_warnings_total{$ns}[15m]))",
                "{{dataset}} {{check}}",
            ),
        ),
    ),
)
