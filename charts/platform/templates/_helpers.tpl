{{- define "platform.labels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: stock-market
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "platform.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "platform.strimziLabels" -}}
{{ include "platform.labels" . }}
strimzi.io/cluster: {{ .Values.kafka.strimzi.cluster }}
{{- end }}

{{- define "platform.keep" -}}
{{- if .Values.kafka.strimzi.keep }}
annotations: {helm.sh/resource-policy: keep}
{{- end }}
{{- end }}

{{- define "platform.podSecurity" -}}
runAsNonRoot: true
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "platform.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "platform.provisionImage" -}}
{{- with .Values.image -}}
{{ $.Values.images.consumer | default (printf "%s%s/consumer:%s" (empty .registry | ternary "" (printf "%s/" .registry)) .repository (.tag | default $.Chart.AppVersion)) }}
{{- end }}
{{- end }}

{{- define "platform.storage" -}}
accessModes: [ReadWriteOnce]
resources: {requests: {storage: {{ .size }}}}
{{- with .class }}
storageClassName: {{ . }}
{{- end }}
{{- end }}

{{/* A password that is there already stays: a Secret and what was made by it must not part. */}}
{{- define "platform.password" -}}
{{- $secret := lookup "v1" "Secret" .namespace .name | default dict -}}
{{- dig "data" .key (randAlphaNum 32 | b64enc) $secret -}}
{{- end }}

{{- define "platform.topics" -}}
{{- $kafka := .Values.kafka -}}
{{- range $kind, $topic := $kafka.topics }}
- name: {{ $topic.name }}
  partitions: {{ $topic.partitions }}
  config:
    retention.ms: "{{ $topic.retentionMs | int64 }}"
    min.insync.replicas: "{{ $kafka.minInSyncReplicas }}"
    # whether a record is from the future is judged by the time at which the broker took it
    message.timestamp.type: LogAppendTime
- name: {{ $topic.name }}.dlq
  partitions: {{ $topic.partitions }}
  config:
    retention.ms: "{{ $kafka.dlqRetentionMs | int64 }}"
    min.insync.replicas: "{{ $kafka.minInSyncReplicas }}"
{{- end }}
{{- end }}

{{/* What each service does in Kafka. An idempotent producer needs no right on the cluster. */}}
{{- define "platform.acls" -}}
{{- $topics := list -}}
{{- $dlqs := list -}}
{{- range $kind, $topic := .Values.kafka.topics -}}
{{- $topics = append $topics $topic.name -}}
{{- $dlqs = append $dlqs (printf "%s.dlq" $topic.name) -}}
{{- end -}}
{{- $realtime := .Values.kafka.topics.realtime.name -}}
{{- $groups := .Values.kafka.consumerGroupPrefix -}}
producer:
{{- range $topics }}
  - {type: topic, name: {{ . }}, patternType: literal, operations: [Describe, Write]}
{{- end }}
consumer: # lands the topics; `redrive` reads dead letters and sends them back in transactions
{{- range concat $topics $dlqs }}
  - {type: topic, name: {{ . }}, patternType: literal, operations: [Describe, Read, Write]}
{{- end }}
  - {type: group, name: {{ $groups }}, patternType: prefix, operations: [Describe, Read]}
  - {type: transactionalId, name: stockpipe-redrive-, patternType: prefix, operations: [Describe, Write]}
auditor: # compares offsets, and reads dead letters only
{{- range $topics }}
  - {type: topic, name: {{ . }}, patternType: literal, operations: [Describe]}
{{- end }}
{{- range $dlqs }}
  - {type: topic, name: {{ . }}, patternType: literal, operations: [Describe, Read]}
{{- end }}
  - {type: group, name: {{ $groups }}, patternType: prefix, operations: [Describe]}
spark:
  - {type: topic, name: {{ $realtime }}, patternType: literal, operations: [Describe, Read]}
  - {type: group, name: spark-kafka-source-, patternType: prefix, operations: [Describe, Read]}
  - {type: group, name: spark_stream_processor, patternType: literal, operations: [Describe]}
{{- end }}

{{/*
What each service does in the bucket. Everyone may list all of it: without that, S3 calls a missing key forbidden.
`parts` are the rights that an upload in parts needs.
*/}}
{{- define "platform.s3Rights" -}}
{{- $parts := "s3:AbortMultipartUpload, s3:ListMultipartUploadParts" -}}
producer:
  - {keys: ["raw/*"], actions: ["s3:GetObject"]}
  - {keys: ["state/*"], actions: [s3:GetObject, s3:PutObject, s3:DeleteObject]}
consumer:
  - {keys: ["raw/*"], actions: [s3:GetObject, s3:PutObject, {{ $parts }}]}
loader:
  - {keys: ["processed/*"], actions: ["s3:GetObject"]}
auditor: # `maintain` removes and compacts, `watch` leaves its report for the API
  - {keys: ["raw/*", "processed/*"], actions: [s3:GetObject, s3:PutObject, s3:DeleteObject, {{ $parts }}]}
  - {keys: ["state/books/*"], actions: [s3:GetObject, s3:PutObject, s3:DeleteObject]}
spark:
  - {keys: ["raw/*"], actions: ["s3:GetObject"]}
  - {keys: ["processed/*", "checkpoints/*"], actions: [s3:GetObject, s3:PutObject, s3:DeleteObject, {{ $parts }}]}
api: # `stockpipe-api keys` makes and revokes keys
  - {keys: ["raw/*", "processed/*", "state/books/*"], actions: ["s3:GetObject"]}
  - {keys: ["state/api_keys/*"], actions: [s3:GetObject, s3:PutObject, s3:DeleteObject]}
airflow: # manifests, to wait for them and report; its own reports and logs
  - {keys: ["raw/_manifests/*", "processed/_manifests/*"], actions: ["s3:GetObject"]}
  - {keys: ["reports/*", "logs/*"], actions: [s3:GetObject, s3:PutObject, {{ $parts }}]}
{{- end }}

{{- define "platform.minioRoot" -}}
{{ .Values.minio.tenant.name }}-root
{{- end }}

{{- define "platform.minioEndpoint" -}}
{{- if eq .Values.minio.mode "tenant" }}http://minio{{ else }}http://stock-minio:9000{{ end }}
{{- end }}
