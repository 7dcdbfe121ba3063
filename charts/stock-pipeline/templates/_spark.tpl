{{/*
The spec of a SparkApplication: root, name, step (as of a pod), size (driver and executor), job (the module's name).
Never set spark.kubernetes.driver.pod.name or executor.podNamePrefix: the fixed name <application>-driver is the lock
against two drivers, and a fixed executor name collides after a driver's crash. Needs the operator's webhook.
*/}}
{{- define "stock-pipeline.sparkSpec" -}}
{{- $root := .root }}
{{- $step := .step }}
{{- $about := dict "root" $root "name" .name }}
{{- $env := mergeOverwrite (include "stock-pipeline.settings" . | fromYaml) (dict "SPARK_UI" "true") }}
{{- if .restart }}
{{- $_ := set $env "METRICS_PORT" (include "stock-pipeline.metricsPort" .) }}
{{- end }}
{{- $env = mergeOverwrite $env ($step.env | default dict) }}
{{- $identity := include "stock-pipeline.identity" (dict "root" $root "component" "spark") | fromYaml }}
type: Python
mode: cluster
sparkVersion: "4.1.4"
image: {{ include "stock-pipeline.image" (dict "root" $root "component" "spark") }}
imagePullPolicy: {{ $root.Values.image.pullPolicy }}
{{- with $root.Values.image.pullSecrets }}
imagePullSecrets: {{ toJson (pluck "name" .) }}
{{- end }}
mainApplicationFile: local:///opt/spark-apps/{{ .job }}.py
restartPolicy:
  {{- if .restart }}
  type: Always
  onFailureRetryInterval: 5
  onSubmissionFailureRetryInterval: 5
  {{- else }}
  type: Never
  {{- end }}
sparkConf:
  spark.sql.streaming.metricsEnabled: "true"
  spark.metrics.conf.*.sink.prometheusServlet.class: org.apache.spark.metrics.sink.PrometheusServlet
  spark.metrics.conf.*.sink.prometheusServlet.path: /metrics/prometheus
volumes:
  {{- range $name, $volume := include "stock-pipeline.volumes" (dict "root" $root "steps" (list $step) "tmpSize" "10Gi") | fromYaml }}
  - name: {{ $name }}
    {{- toYaml $volume | nindent 4 }}
  {{- end }}
driver:
  {{- include "stock-pipeline.sparkRole" (dict "root" $root "size" .size.driver "name" .name "metrics" .restart) | nindent 2 }}
  serviceAccount: {{ $root.Values.spark.serviceAccount }}
  terminationGracePeriodSeconds: 60
  {{- if .restart }}
  ports: [{name: metrics, containerPort: {{ include "stock-pipeline.metricsPort" . }}, protocol: TCP}]
  {{- end }}
  env:
    {{- include "stock-pipeline.env" $env | nindent 4 }}
  volumeMounts:
    {{- include "stock-pipeline.mounts" . | nindent 4 }}
executor:
  instances: {{ .size.executor.instances }}
  {{- include "stock-pipeline.sparkRole" (dict "root" $root "size" .size.executor "name" .name) | nindent 2 }}
  # the account mounts no token; only the driver speaks to the API server
  serviceAccount: {{ $root.Release.Name }}-spark
  env:
    # S3A's own names; the driver's job sets them itself
    {{- if eq $root.Values.lake.credentials "role" }}
    {{- include "stock-pipeline.env" (dict "AWS_ROLE_ARN" $identity.roleArn "AWS_WEB_IDENTITY_TOKEN_FILE" "/etc/stockpipe/aws/token" "AWS_REGION" $root.Values.lake.region) | nindent 4 }}
    {{- else }}
    - name: AWS_ACCESS_KEY_ID
      valueFrom: {secretKeyRef: {name: {{ $identity.s3Secret }}, key: accessKey}}
    - name: AWS_SECRET_ACCESS_KEY
      valueFrom: {secretKeyRef: {name: {{ $identity.s3Secret }}, key: secretKey}}
    {{- end }}
  volumeMounts:
    {{- include "stock-pipeline.mounts" . | nindent 4 }}
{{- end }}

{{- define "stock-pipeline.sparkRole" -}}
cores: {{ .size.cores }}
coreRequest: {{ .size.coreRequest | quote }}
coreLimit: {{ .size.coreLimit | quote }}
memory: {{ .size.memory }}
memoryOverhead: {{ .size.memoryOverhead }}
labels:
  {{- include "stock-pipeline.podLabels" . | nindent 2 }}
  {{- if .metrics }}
  stockpipe-metrics: "true"
  {{- end }}
{{- with .root.Values.nodeSelector }}
nodeSelector: {{ toJson . }}
{{- end }}
{{- with .root.Values.tolerations }}
tolerations: {{ toJson . }}
{{- end }}
podSecurityContext: {fsGroup: 185, runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
securityContext:
  {{- include "stock-pipeline.containerSecurity" (dict "root" .root "component" "spark") | nindent 2 }}
{{- end }}
