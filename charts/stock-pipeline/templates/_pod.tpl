{{/*
Parts of a pod. A `step` is one program: component (its image and its identity), needs (kafka, lake, warehouse: read or
write, sources; or topic: realtime, batch or both, the names only), command, args, env, http (it serves pages). A pod has one step or, in jobs, several, one after the other.
*/}}

{{/* The settings of a step as a map, without the ones of single programs. */}}
{{- define "stock-pipeline.settings" -}}
{{- $root := .root }}
{{- $values := $root.Values }}
{{- $needs := .step.needs }}
{{- $identity := include "stock-pipeline.identity" (dict "root" $root "component" .step.component) | fromYaml }}
{{- if $needs.kafka }}
KAFKA_BOOTSTRAP_SERVER: {{ $values.kafka.bootstrapServers | quote }}
KAFKA_SECURITY_PROTOCOL: {{ $values.kafka.securityProtocol }}
{{- if include "stock-pipeline.usesSasl" $root }}
KAFKA_SASL_MECHANISM: {{ $values.kafka.saslMechanism }}
KAFKA_SASL_USERNAME: {{ $identity.kafkaUser | quote }}
KAFKA_SASL_PASSWORD_FILE: /etc/stockpipe/kafka/password
{{- end }}
{{- if $values.kafka.caSecret.name }}
KAFKA_SSL_CA_LOCATION: /etc/stockpipe/kafka-ca/ca.crt
{{- end }}
{{- end }}
{{- if or $needs.kafka (has $needs.topic (list "realtime" "both")) }}
KAFKA_TOPIC_REALTIME: {{ $values.kafka.topics.realtime }}
{{- end }}
{{- if or $needs.kafka (has $needs.topic (list "batch" "both")) }}
KAFKA_TOPIC_BATCH: {{ $values.kafka.topics.batch }}
{{- end }}
{{- if $needs.kafka }}
KAFKA_TOPIC_ACTIONS: {{ $values.kafka.topics.actions }}
{{- end }}
{{- if $needs.lake }}
LAKE_URL: {{ $values.lake.url }}
MINIO_REGION: {{ $values.lake.region }}
{{- if eq $values.lake.credentials "role" }}
AWS_ROLE_ARN: {{ $identity.roleArn }}
AWS_WEB_IDENTITY_TOKEN_FILE: /etc/stockpipe/aws/token
{{- else }}
MINIO_ACCESS_KEY_FILE: /etc/stockpipe/s3/accessKey
MINIO_SECRET_KEY_FILE: /etc/stockpipe/s3/secretKey
{{- end }}
{{- with $values.lake.endpoint }}
MINIO_ENDPOINT: {{ . }}
{{- end }}
{{- if $values.lake.caSecret.name }}
MINIO_CA_FILE: /etc/stockpipe/s3-ca/ca.crt
{{- end }}
{{- end }}
{{- if $needs.warehouse }}
{{- if eq $values.warehouse.kind "duckdb" }}
WAREHOUSE_URL: duckdb:///warehouse/warehouse.duckdb
{{- else }}
{{- $snowflake := $values.warehouse.snowflake }}
WAREHOUSE_URL: snowflake://
SNOWFLAKE_ACCOUNT: {{ $snowflake.account | quote }}
SNOWFLAKE_USER: {{ $identity.snowflakeUser | quote }}
SNOWFLAKE_PRIVATE_KEY_FILE: /etc/stockpipe/snowflake/privateKey
{{- range $name, $value := dict "SNOWFLAKE_ROLE" $identity.snowflakeRole "SNOWFLAKE_WAREHOUSE" $snowflake.warehouse "SNOWFLAKE_SCHEMA" $snowflake.schema "SNOWFLAKE_HOST" $snowflake.host }}
{{- with $value }}
{{ $name }}: {{ . | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- if $needs.sources }}
SOURCES: {{ join "," $values.producer.sources | quote }}
SYMBOLS: {{ join "," $values.producer.symbols | quote }}
{{- if $values.producer.alphaVantageSecret.name }}
ALPHA_VANTAGE_API_KEY_FILE: /etc/stockpipe/alpha-vantage/apiKey
{{- end }}
{{- end }}
{{- end }}

{{/* A map as a container's `env`, each name once. */}}
{{- define "stock-pipeline.env" }}
{{- range $name, $value := . }}
- name: {{ $name }}
  value: {{ $value | toString | quote }}
{{- end }}
{{- end }}

{{- define "stock-pipeline.mounts" -}}
{{- $root := .root }}
{{- $values := $root.Values }}
{{- $needs := .step.needs }}
{{- $component := .step.component }}
- {name: tmp, mountPath: /tmp}
{{- if $needs.kafka }}
{{- if include "stock-pipeline.usesSasl" $root }}
- {name: kafka-{{ $component }}, mountPath: /etc/stockpipe/kafka, readOnly: true}
{{- end }}
{{- if $values.kafka.caSecret.name }}
- {name: kafka-ca, mountPath: /etc/stockpipe/kafka-ca, readOnly: true}
{{- end }}
{{- end }}
{{- if $needs.lake }}
{{- if eq $values.lake.credentials "role" }}
- {name: aws, mountPath: /etc/stockpipe/aws, readOnly: true}
{{- else }}
- {name: s3-{{ $component }}, mountPath: /etc/stockpipe/s3, readOnly: true}
{{- end }}
{{- if $values.lake.caSecret.name }}
- {name: s3-ca, mountPath: /etc/stockpipe/s3-ca, readOnly: true}
{{- end }}
{{- end }}
{{- with $needs.warehouse }}
{{- if eq $values.warehouse.kind "duckdb" }}
- {name: warehouse, mountPath: /warehouse, readOnly: {{ ne . "write" }}}
{{- else }}
- {name: snowflake-{{ $component }}, mountPath: /etc/stockpipe/snowflake, readOnly: true}
{{- end }}
{{- end }}
{{- if and $needs.sources $values.producer.alphaVantageSecret.name }}
- {name: alpha-vantage, mountPath: /etc/stockpipe/alpha-vantage, readOnly: true}
{{- end }}
{{- end }}

{{/* The volumes of all steps of a pod, as a map by name. */}}
{{- define "stock-pipeline.volumes" -}}
{{- $root := .root }}
{{- $values := $root.Values }}
tmp:
  emptyDir: {sizeLimit: {{ .tmpSize | default "1Gi" }}}
{{- range $step := .steps }}
{{- $component := $step.component }}
{{- $identity := include "stock-pipeline.identity" (dict "root" $root "component" $component) | fromYaml }}
{{- if $step.needs.kafka }}
{{- if include "stock-pipeline.usesSasl" $root }}
kafka-{{ $component }}:
  secret: {secretName: {{ $identity.kafkaSecret }}, defaultMode: 0440, items: [{key: {{ $values.kafka.passwordKey }}, path: password}]}
{{- end }}
{{- with $values.kafka.caSecret }}
{{- if .name }}
kafka-ca:
  secret: {secretName: {{ .name }}, defaultMode: 0440, items: [{key: {{ .key }}, path: ca.crt}]}
{{- end }}
{{- end }}
{{- end }}
{{- if $step.needs.lake }}
{{- if eq $values.lake.credentials "role" }}
aws:
  projected: {defaultMode: 0440, sources: [{serviceAccountToken: {audience: sts.amazonaws.com, expirationSeconds: 86400, path: token}}]}
{{- else }}
s3-{{ $component }}:
  secret: {secretName: {{ $identity.s3Secret }}, defaultMode: 0440, items: [{key: accessKey, path: accessKey}, {key: secretKey, path: secretKey}]}
{{- end }}
{{- with $values.lake.caSecret }}
{{- if .name }}
s3-ca:
  secret: {secretName: {{ .name }}, defaultMode: 0440, items: [{key: {{ .key }}, path: ca.crt}]}
{{- end }}
{{- end }}
{{- end }}
{{- if $step.needs.warehouse }}
{{- if eq $values.warehouse.kind "duckdb" }}
warehouse:
  persistentVolumeClaim: {claimName: {{ $root.Release.Name }}-warehouse}
{{- else }}
snowflake-{{ $component }}:
  secret: {secretName: {{ $identity.snowflakeSecret }}, defaultMode: 0440, items: [{key: privateKey, path: privateKey}]}
{{- end }}
{{- end }}
{{- if and $step.needs.sources $values.producer.alphaVantageSecret.name }}
alpha-vantage:
  secret: {secretName: {{ $values.producer.alphaVantageSecret.name }}, defaultMode: 0440, items: [{key: {{ $values.producer.alphaVantageSecret.key }}, path: apiKey}]}
{{- end }}
{{- end }}
{{- end }}

{{- define "stock-pipeline.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: {{ .root.Values.readOnlyRootFilesystem }}
runAsNonRoot: true
runAsUser: {{ ternary 185 10001 (eq .component "spark") }}
runAsGroup: {{ ternary 185 10001 (eq .component "spark") }}
capabilities: {drop: [ALL]}
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{/* One container: root, step, name, resources; probes only for a program that runs all the time. */}}
{{- define "stock-pipeline.container" -}}
{{- $step := .step }}
{{- $env := include "stock-pipeline.settings" . | fromYaml }}
{{- if .probes }}
{{- $env = mergeOverwrite $env (dict "METRICS_PORT" (include "stock-pipeline.metricsPort" .)) }}
{{- if not $step.http }}
{{- $env = mergeOverwrite $env (dict "STALL_SECONDS" ($step.stall | default 300 | toString)) }}
{{- end }}
{{- end }}
{{- $env = mergeOverwrite $env ($step.env | default dict) }}
name: {{ .name }}
image: {{ include "stock-pipeline.image" (dict "root" .root "component" $step.component) }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
{{- with $step.command }}
command: {{ toJson . }}
{{- end }}
{{- with $step.args }}
args: {{ toJson . }}
{{- end }}
env:
  {{- include "stock-pipeline.env" $env | nindent 2 }}
{{- if and .probes $step.http }}
ports:
  - {name: http, containerPort: {{ include "stock-pipeline.httpPort" . }}, protocol: TCP}
  - {name: metrics, containerPort: {{ include "stock-pipeline.metricsPort" . }}, protocol: TCP}
startupProbe: {httpGet: {path: /healthz, port: http}, periodSeconds: 2, failureThreshold: 60}
readinessProbe: {httpGet: {path: /readyz, port: http}, periodSeconds: 10, timeoutSeconds: 5}
livenessProbe: {httpGet: {path: /healthz, port: http}, periodSeconds: 20, timeoutSeconds: 5, failureThreshold: 3}
{{- else if .probes }}
ports:
  - {name: metrics, containerPort: {{ include "stock-pipeline.metricsPort" . }}, protocol: TCP}
# /healthz fails once the program's loop has not come round for STALL_SECONDS
startupProbe: {httpGet: {path: /healthz, port: metrics}, periodSeconds: 2, failureThreshold: 60}
readinessProbe: {httpGet: {path: /healthz, port: metrics}, periodSeconds: 10, timeoutSeconds: 5}
livenessProbe: {httpGet: {path: /healthz, port: metrics}, periodSeconds: 20, timeoutSeconds: 5, failureThreshold: 3}
{{- end }}
resources: {{ toJson .resources }}
securityContext:
  {{- include "stock-pipeline.containerSecurity" (dict "root" .root "component" $step.component) | nindent 2 }}
volumeMounts:
  {{- include "stock-pipeline.mounts" . | nindent 2 }}
{{- end }}

{{/* What all pods share: root, steps, tmpSize, beside (the loader); affinity binds readers of the DuckDB file to the loader's node. */}}
{{- define "stock-pipeline.podBase" -}}
{{- $root := .root }}
serviceAccountName: {{ .serviceAccount | default (printf "%s-%s" $root.Release.Name (eq (len .steps) 1 | ternary (first .steps).component "jobs")) }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with $root.Values.image.pullSecrets }}
imagePullSecrets: {{ toJson . }}
{{- end }}
{{- with $root.Values.nodeSelector }}
nodeSelector: {{ toJson . }}
{{- end }}
{{- with $root.Values.tolerations }}
tolerations: {{ toJson . }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: {{ ternary 185 10001 (eq (first .steps).component "spark") }}
  runAsGroup: {{ ternary 185 10001 (eq (first .steps).component "spark") }}
  fsGroup: {{ ternary 185 10001 (eq (first .steps).component "spark") }}
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- $reads := .beside | default false }}
{{- range .steps }}
{{- if eq (.needs.warehouse | default "") "read" }}{{ $reads = true }}{{ end }}
{{- end }}
{{- if and $reads (eq $root.Values.warehouse.kind "duckdb") }}
# the volume is one node's: whoever reads the published copy runs beside the loader
affinity:
  podAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      - topologyKey: kubernetes.io/hostname
        labelSelector:
          matchLabels:
            {{- include "stock-pipeline.selector" (dict "root" $root "name" "loader") | nindent 12 }}
{{- end }}
volumes:
{{- range $name, $volume := include "stock-pipeline.volumes" . | fromYaml }}
  - name: {{ $name }}
    {{- toYaml $volume | nindent 4 }}
{{- end }}
{{- end }}
