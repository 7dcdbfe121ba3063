"""The lake's order, and the stream job."""

from observability.panels import COUNT, PER_SECOND, SECONDS, SHARE, Board, panel, sometimes

LAKE_AND_SPARK = Board(
    "lake-and-spark",
    "lake and Spark",
    (
        panel(
            "Time since the stream's last trigger",
            "Triggers come round every few seconds, also without new quotes.",
            SECONDS,
            "StreamStalled",
            ("time() - max(stockpipe_spark_last_progress_timestamp_seconds{$ns})", "age"),
        ),
        panel(
            "Micro-batch, median and 95th percentile",
            "Longer than the trigger's interval for long means that the stream falls behind.",
            SECONDS,
            "StreamStalled",
            ("histogram_quantile(0.5, sum by (le) (rate(stockpipe_spark_batch_seconds_bucket{$ns}[5m])))", "median"),
            ("histogram_quantile(0.95, sum by (le) (rate(stockpipe_spark_batch_seconds_bucket{$ns}[5m])))", "p95"),
        ),
        panel(
            "Rows in and out of the stream",
            "Kafka records read and rows of windows written.",
            PER_SECOND,
            "StreamStalled",
            ("sum(rate(stockpipe_spark_rows_in_total{$ns}[5m]))", "in"),
            ("sum(rate(stockpipe_spark_rows_out_total{$ns}[5m]))", "out"),
        ),
        panel(
            "Rows that the stream refused or dropped",
            "Records that break their contract, and quotes that came after their windows had closed; the batch job "
            "of the windows repairs these.",
            PER_SECOND,
            "TooManyRefused",
            ("sum(rate(stockpipe_spark_rows_refused_total{$ns}[5m]))", "refused"),
            ("sum(rate(stockpipe_spark_rows_dropped_by_watermark_total{$ns}[5m]))", "late"),
        ),
        panel(
            "Share of quotes that are late or copies",
            "Of the quotes that the stream read in 15 minutes: those older than it waits for, and those that were "
            "there before.",
            SHARE,
            "ManyLateQuotes",
            ("stockpipe:late:ratio_rate15m{$ns}", "late"),
            ("stockpipe:duplicate:ratio_rate15m{$ns}", "copies"),
        ),
        sometimes(
            "Input rows that batches dropped, by dataset and reason",
            "Of the batches of the audited days. Each is in the books: copies, older versions of a bar, rows outside "
            "of the days that were asked for.",
            COUNT,
            "ManyDuplicates",
            ("sum by (dataset, reason) (stockpipe_auditor_dropped_records{$ns})", "{{dataset}} {{reason}}"),
        ),
        panel(
            "Raw records that no batch has read, by dataset",
            "The stream's stays near 0; the others' grow until their next run.",
            COUNT,
            "StreamStalled",
            ("sum by (dataset) (stockpipe_auditor_records_waiting{$ns})", "{{dataset}}"),
        ),
        panel(
            "Offsets between or under two raw manifests, by topic",
            "Gaps and overlaps of the chain of manifests. 0 is the only good value.",
            COUNT,
            "RecordsUnaccounted",
            ("sum by (topic) (stockpipe_auditor_manifest_gap_offsets{$ns})", "{{topic}} gaps"),
            ("sum by (topic) (stockpipe_auditor_manifest_overlap_offsets{$ns})", "{{topic}} overlaps"),
        ),
        panel(
            "Objects that nothing needs, by prefix",
            "What interrupted writes left behind; `stockpipe-auditor maintain --apply` removes it.",
            COUNT,
            "BatchJobFailed",
            ("sum by (prefix) (stockpipe_auditor_orphan_objects{$ns})", "{{prefix}}"),
        ),
        sometimes(
            "MinIO: share of its disks in use",
            "From MinIO's own metrics.",
            SHARE,
            "MinioDiskFull",
            (
                (
                    "1 - sum(minio_cluster_capacity_usable_free_bytes{$ns}) "
                    "/ sum(minio_cluster_capacity_usable_total_bytes{$ns})"
                ),
                "used",
            ),
        ),
        sometimes(
            "Kafka: share of its disks in use, by claim",
            "From the kubelet.",
            SHARE,
            "KafkaDiskFull",
            (
                'stockpipe:volume_used:ratio{$ns,persistentvolumeclaim=~"data.*(kafka|market).*"}',
                "{{persistentvolumeclaim}}",
            ),
        ),
    ),
)
