{{/* Names and labels. `root` is the chart's context, `name` the workload: producer, consumer-realtime, ... */}}

{{- define "stock-pipeline.selector" -}}
app.kubernetes.io/name: stock-pipeline
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- with .name }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end }}

{{/* Labels of pods: none that a new chart alone would change, which would restart them. */}}
{{- define "stock-pipeline.podLabels" -}}
{{ include "stock-pipeline.selector" . }}
app.kubernetes.io/version: {{ include "stock-pipeline.tag" .root | quote }}
app.kubernetes.io/part-of: stock-pipeline
{{- end }}

{{- define "stock-pipeline.labels" -}}
{{ include "stock-pipeline.podLabels" . }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{- define "stock-pipeline.tag" -}}
{{- .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "stock-pipeline.image" -}}
{{- $image := .root.Values.image }}
{{- if get .root.Values.images .component }}
{{- get .root.Values.images .component }}
{{- else }}
{{- with $image.registry }}{{ . }}/{{ end }}{{ $image.repository }}/{{ .component }}:{{ include "stock-pipeline.tag" .root }}
{{- end }}
{{- end }}

{{/* Who a component is for Kafka, the bucket and Snowflake: what the values say, else the platform chart's names. */}}
{{- define "stock-pipeline.identity" -}}
{{- $name := printf "stockpipe-%s" .component }}
{{- $defaults := dict "kafkaUser" $name "kafkaSecret" $name "s3Secret" (printf "%s-s3" $name) }}
{{- toYaml (mergeOverwrite $defaults (get .root.Values.identities .component | default dict)) }}
{{- end }}

{{- define "stock-pipeline.metricsPort" -}}9464{{- end }}

{{- define "stock-pipeline.httpPort" -}}8000{{- end }}

{{- define "stock-pipeline.usesSasl" -}}
{{- if hasPrefix "SASL" .Values.kafka.securityProtocol }}yes{{ end }}
{{- end }}

{{/* Every program that runs all the time, as the generic template needs it. */}}
{{- define "stock-pipeline.workloads" -}}
workloads:
- name: producer
  component: producer
  args: [realtime]
  single: true
  needs: {kafka: true, lake: true, sources: true}
  values: {{ toJson .Values.producer }}
{{- range $topic := list "realtime" "batch" "actions" }}
- name: consumer-{{ $topic }}
  component: consumer
  args: [--topic, {{ $topic }}]
  needs: {kafka: true, lake: true}
  values: {{ toJson (get $.Values.consumer $topic) }}
  {{- if and (eq $topic "realtime") $.Values.consumer.keda.enabled }}
  scaled: true
  {{- end }}
{{- end }}
- name: loader
  component: loader
  args: [watch]
  single: true
  needs: {lake: true, warehouse: write}
  # a batch in hand is finished; the statement of one may take ten minutes in Snowflake
  grace: 120
  stall: 900
  values: {{ toJson .Values.loader }}
- name: auditor
  component: auditor
  args: [watch]
  single: true
  needs: {kafka: true, lake: true, warehouse: read}
  stall: 1800
  values: {{ toJson .Values.auditor }}
- name: api
  component: api
  args: [serve]
  needs: {lake: true, warehouse: read, topic: both}
  http: true
  env: {LISTEN_HOST: 0.0.0.0, LISTEN_PORT: {{ include "stock-pipeline.httpPort" . }}}
  values: {{ toJson .Values.api }}
{{- if eq .Values.spark.mode "local" }}
- name: stream
  component: spark
  command: [python, -m, stockpipe.spark.jobs.spark_stream_processor]
  single: true
  needs: {kafka: true, lake: true}
  # a backlog is one micro-batch
  stall: 1800
  tmpSize: 10Gi
  env:
    SPARK_MASTER: local[*]
    PYSPARK_SUBMIT_ARGS: --driver-memory {{ .Values.spark.stream.driver.memory }} pyspark-shell
  values: {{ toJson (merge (dict "env" .Values.spark.stream.env) .Values.spark.stream) }}
{{- end }}
{{- end }}
