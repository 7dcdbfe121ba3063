"""Sources: what they answer, what their plans still allow."""

from observability.panels import COUNT, PER_SECOND, SECONDS, SHARE, Board, panel, sometimes

SOURCES = Board(
    "sources",
    "sources and quotas",
    (
        panel(
            "Age of the stalest symbol's quote",
            "Among the symbols whose exchange is open now.",
            SECONDS,
            "QuotesStale",
            ("max(stockpipe_producer_oldest_quote_seconds{$ns})", "age"),
        ),
        sometimes(
            "Requests, by source and status",
            "HTTP requests by the status that was answered; error = no answer.",
            PER_SECOND,
            "SourcesDown",
            ("sum by (source, status) (rate(stockpipe_producer_source_calls_total{$ns}[5m]))", "{{source}} {{status}}"),
        ),
        sometimes(
            "Failed fetches, by source and reason",
            "Requests that gave no records.",
            PER_SECOND,
            "SourcesDown",
            (
                "sum by (source, reason) (rate(stockpipe_producer_fetch_failures_total{$ns}[5m]))",
                "{{source}} {{reason}}",
            ),
        ),
        sometimes(
            "Quota left, by source",
            "Share of the longest budget's window that is left; the sources without a budget aren't here.",
            SHARE,
            "QuotaEnding",
            ("stockpipe:quota_left:ratio{$ns}", "{{source}}"),
        ),
        sometimes(
            "Cooling down, by source",
            "1 while a source is left alone after failures.",
            COUNT,
            "SourcesDown",
            ("max by (source) (stockpipe_producer_source_cooling{$ns})", "{{source}}"),
        ),
        sometimes(
            "Passed over, by source and reason",
            "Times the next source in line was asked instead: busy, cooling_down, no_quota.",
            PER_SECOND,
            "SourcesDown",
            ("sum by (source, reason) (rate(stockpipe_producer_source_skips_total{$ns}[5m]))", "{{source}} {{reason}}"),
        ),
        panel(
            "Request, 95th percentile, by source",
            "Duration of one request.",
            SECONDS,
            "SourcesDown",
            (
                (
                    "histogram_quantile(0.95, sum by (source, le) "
                    "(rate(stockpipe_producer_fetch_seconds_bucket{$ns}[5m])))"
                ),
                "{{source}}",
            ),
        ),
        sometimes(
            "Cool-downs that began, by source",
            "A second; 429 storms and outages show here first.",
            PER_SECOND,
            "SourcesDown",
            ("sum by (source) (rate(stockpipe_producer_source_cooldowns_total{$ns}[15m]))", "{{source}}"),
        ),
        sometimes(
            "Rows that are no bars, by source and reason",
            "Left out of what a source answered.",
            PER_SECOND,
            "TooManyRefused",
            (
                "sum by (source, reason) (rate(stockpipe_producer_bars_refused_total{$ns}[15m]))",
                "{{source}} {{reason}}",
            ),
        ),
        sometimes(
            "Differences between two sources, by field",
            "Bars that differ by more than the tolerance.",
            PER_SECOND,
            "ManyCheckWarnings",
            (
                "sum by (source, other, field) (rate(stockpipe_producer_cross_check_differences_total{$ns}[15m]))",
                "{{source}} {{other}} {{field}}",
            ),
        ),
    ),
)
