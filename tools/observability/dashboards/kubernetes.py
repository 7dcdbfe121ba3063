"""What the pods use. The figures are the kubelet's and those of kube-state-metrics."""

from observability.panels import BYTES, CORES, COUNT, SHARE, Board, sometimes

KUBERNETES = Board(
    "kubernetes",
    "Kubernetes resources",
    (
        sometimes(
            "CPU, by pod",
            "Cores in use.",
            CORES,
            "TargetDown",
            ('sum by (pod) (rate(container_cpu_usage_seconds_total{$ns,container!=""}[5m]))', "{{pod}}"),
        ),
        sometimes(
            "CPU held back, by pod",
            "Share of the periods in which a pod wanted more than its limit.",
            SHARE,
            "TargetDown",
            (
                (
                    "sum by (pod) (rate(container_cpu_cfs_throttled_periods_total{$ns}[5m])) "
                    "/ sum by (pod) (rate(container_cpu_cfs_periods_total{$ns}[5m]))"
                ),
                "{{pod}}",
            ),
        ),
        sometimes(
            "Memory, by pod",
            "Working set, which is what the limit is held against.",
            BYTES,
            "TargetDown",
            ('sum by (pod) (container_memory_working_set_bytes{$ns,container!=""})', "{{pod}}"),
        ),
        sometimes(
            "Memory of its limit, by pod",
            "At 1 the pod is killed.",
            SHARE,
            "TargetDown",
            (
                (
                    'sum by (pod) (container_memory_working_set_bytes{$ns,container!=""}) '
                    '/ sum by (pod) (kube_pod_container_resource_limits{$ns,resource="memory"})'
                ),
                "{{pod}}",
            ),
        ),
        sometimes(
            "Restarts in an hour, by pod",
            "A consumer whose breaker tripped restarts and stops again.",
            COUNT,
            "TargetDown",
            ("sum by (pod) (increase(kube_pod_container_status_restarts_total{$ns}[1h]))", "{{pod}}"),
        ),
        sometimes(
            "Pods that aren't ready",
            "By pod, 1 while it isn't.",
            COUNT,
            "TargetDown",
            ('sum by (pod) (kube_pod_status_ready{$ns,condition="false"})', "{{pod}}"),
        ),
        sometimes(
            "Volumes: share in use, by claim",
            "Kafka's, MinIO's and the DuckDB warehouse's.",
            SHARE,
            "KafkaDiskFull",
            ("stockpipe:volume_used:ratio{$ns}", "{{persistentvolumeclaim}}"),
        ),
        sometimes(
            "Jobs that failed, by job",
            "Daily metrics, windows, maintenance.",
            COUNT,
            "BatchJobFailed",
            ("sum by (job_name) (kube_job_status_failed{$ns})", "{{job_name}}"),
        ),
    ),
)
