{{/*
A pod that runs steps one after the other, each a program with its own image and identity: root, name, steps, resources
of the last step's kind. All but the last are init containers.
*/}}
{{- define "stock-pipeline.steps" -}}
{{- $root := .root }}
{{- $last := last .steps }}
{{- include "stock-pipeline.podBase" (dict "root" $root "steps" .steps "tmpSize" "10Gi") }}
terminationGracePeriodSeconds: 60
{{- with initial .steps }}
initContainers:
{{- range . }}
  - {{- include "stock-pipeline.container" (dict "root" $root "name" .name "step" . "resources" .resources) | nindent 4 }}
{{- end }}
{{- end }}
containers:
  - {{- include "stock-pipeline.container" (dict "root" $root "name" $last.name "step" $last "resources" $last.resources) | nindent 4 }}
{{- end }}

{{/* A Spark job within one pod: root, name, job, args, topic. */}}
{{- define "stock-pipeline.localSpark" -}}
component: spark
name: {{ .name }}
{{- with .script }}
command: [sh, -ec]
args: [{{ toJson . }}]
{{- else }}
command: [python, -m, stockpipe.spark.jobs.{{ .job }}]
{{- end }}
needs: {lake: true, topic: {{ .topic }}}
resources: {{ toJson .root.Values.batch.cron.sparkResources }}
env: {{ toJson (mergeOverwrite (dict "SPARK_MASTER" "local[*]" "PYSPARK_SUBMIT_ARGS" (printf "--driver-memory %s pyspark-shell" .root.Values.spark.batch.driver.memory)) .root.Values.spark.batch.env) }}
{{- end }}

{{- define "stock-pipeline.cronJob" -}}
{{- $about := dict "root" .root "name" .name }}
apiVersion: batch/v1
kind: CronJob
metadata:
  name: {{ .root.Release.Name }}-{{ .name }}
  labels:
    {{- include "stock-pipeline.labels" $about | nindent 4 }}
spec:
  schedule: {{ .schedule | quote }}
  timeZone: {{ .root.Values.batch.cron.timeZone }}
  concurrencyPolicy: Forbid
  startingDeadlineSeconds: 3600
  successfulJobsHistoryLimit: 3
  failedJobsHistoryLimit: 3
  jobTemplate:
    spec:
      backoffLimit: 3
      activeDeadlineSeconds: {{ .root.Values.batch.cron.deadlineSeconds }}
      template:
        metadata:
          labels:
            {{- include "stock-pipeline.podLabels" $about | nindent 12 }}
        spec:
          restartPolicy: OnFailure
          {{- include "stock-pipeline.steps" . | nindent 10 }}
{{- end }}
