{{/* Refuses combinations that the schema can't: each sentence says what to set. */}}
{{- define "stock-pipeline.check" -}}
{{- $values := .Values }}
{{- $kafka := $values.kafka }}
{{- $lake := $values.lake }}
{{- if not (regexMatch "^[A-Za-z0-9.-]+:[0-9]+(,[A-Za-z0-9.-]+:[0-9]+)*$" $kafka.bootstrapServers) }}
{{- fail (printf "kafka.bootstrapServers is %q: set it to host:port[,host:port], such as market-kafka-bootstrap:9094" $kafka.bootstrapServers) }}
{{- end }}
{{- if and $kafka.caSecret.name (not (hasSuffix "SSL" $kafka.securityProtocol)) }}
{{- fail (printf "kafka.caSecret.name is set, but kafka.securityProtocol is %s: set it to SSL or SASL_SSL, or leave caSecret.name empty" $kafka.securityProtocol) }}
{{- end }}
{{- if not (regexMatch "^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$" $lake.url) }}
{{- fail (printf "lake.url is %q: set it to s3://bucket, without a folder; pods share no file system" $lake.url) }}
{{- end }}
{{- if and $lake.endpoint (not (regexMatch "^https?://[A-Za-z0-9.-]+(:[0-9]+)?$" $lake.endpoint)) }}
{{- fail (printf "lake.endpoint is %q: set it to http(s)://host[:port], or leave it empty for AWS S3" $lake.endpoint) }}
{{- end }}
{{- if contains "googleapis.com" $lake.endpoint }}
{{- fail "lake.endpoint is Cloud Storage's, which overwrites where S3 refuses a second create (If-None-Match: *): set it to a MinIO server's, such as charts/platform makes" }}
{{- end }}
{{- if and $lake.caSecret.name (not (hasPrefix "https://" $lake.endpoint)) }}
{{- fail (printf "lake.caSecret.name is set, but lake.endpoint is %q: set it to https://host[:port], or leave caSecret.name empty" $lake.endpoint) }}
{{- end }}
{{- if eq $lake.credentials "role" }}
{{- if $lake.endpoint }}
{{- fail (printf "lake.credentials is role, but lake.endpoint is %q: leave it empty for AWS S3, or set lake.credentials to secret" $lake.endpoint) }}
{{- end }}
{{- range $component := list "producer" "consumer" "loader" "auditor" "api" "spark" }}
{{- if and (not (get (get $values.identities $component) "roleArn")) (or (ne $component "api") $values.api.enabled) }}
{{- fail (printf "lake.credentials is role: set identities.%s.roleArn to arn:aws:iam::<account>:role/<name>" $component) }}
{{- end }}
{{- end }}
{{- end }}
{{- if and $lake.caSecret.name (eq $values.spark.mode "operator") }}
{{- fail "lake.caSecret.name can't be used with spark.mode operator, whose executors trust public certificates only: set spark.mode to local, or give the bucket a public certificate" }}
{{- end }}
{{- with $values.metrics.alertmanager.slack }}
{{- if and .secret.name (not .channel) }}
{{- fail "metrics.alertmanager.slack.secret.name is set without a channel: set metrics.alertmanager.slack.channel, such as #stock-pipeline" }}
{{- end }}
{{- end }}
{{- if eq $values.image.tag "latest" }}
{{- fail "image.tag is latest: set it to a version, so that a roll-back finds the image again" }}
{{- end }}
{{- range $component, $image := $values.images }}
{{- if regexMatch "(:latest|/[^:@]+|^[^:@/]+)$" $image }}
{{- fail (printf "images.%s is %q: give it a tag other than latest, or a digest" $component $image) }}
{{- end }}
{{- end }}
{{- range $name, $one := dict "producer.replicas" $values.producer "loader.replicas" $values.loader "auditor.replicas" $values.auditor "spark.stream.replicas" $values.spark.stream }}
{{- if gt (int $one.replicas) 1 }}
{{- fail (printf "%s is %v: set it to 1 (or 0 to pause), there may never be two of it" $name $one.replicas) }}
{{- end }}
{{- end }}
{{- if not (eq (uniq $values.producer.symbols | len) (len $values.producer.symbols)) }}
{{- fail "producer.symbols names a symbol twice: set each once" }}
{{- end }}
{{- if and (has "alphavantage" $values.producer.sources) (not $values.producer.alphaVantageSecret.name) }}
{{- fail "producer.sources has alphavantage: set producer.alphaVantageSecret.name to the Secret with the API key" }}
{{- end }}
{{- $network := or (has "alphavantage" $values.producer.sources) (has "yahoo" $values.producer.sources) }}
{{- if and $values.tests.send $network }}
{{- fail "tests.send would put bars of source sample among those of the network: set tests.send to false, or producer.sources to [sample]" }}
{{- end }}
{{- if and $network $values.producer.enabled (not $values.consumer.actions.enabled) }}
{{- fail "producer.sources has a source of the network, which sends splits and dividends: set consumer.actions.enabled to true" }}
{{- end }}
{{- if eq $values.warehouse.kind "snowflake" }}
{{- if not $values.warehouse.snowflake.account }}
{{- fail "warehouse.kind is snowflake: set warehouse.snowflake.account to the account's identifier, such as myorg-myaccount" }}
{{- end }}
{{- range $component := ternary (list "loader" "auditor" "api") (list "loader" "auditor") $values.api.enabled }}
{{- $identity := include "stock-pipeline.identity" (dict "root" $ "component" $component) | fromYaml }}
{{- range $key := list "snowflakeUser" "snowflakeSecret" }}
{{- if not (get $identity $key) }}
{{- fail (printf "warehouse.kind is snowflake: set identities.%s.%s%s" $component $key (ternary " to the Secret whose key privateKey is the user's PEM file" " to the user that logs in" (eq $key "snowflakeSecret"))) }}
{{- end }}
{{- end }}
{{- end }}
{{- else if and (or $values.auditor.enabled $values.api.enabled $values.airflow.enabled) (not $values.loader.enabled) }}
{{- fail "auditor.enabled, api.enabled and airflow.enabled need loader.enabled with warehouse.kind duckdb: the file is made by the loader, on its node" }}
{{- end }}
{{- $api := $values.api }}
{{- if and $api.ingress.enabled $api.gateway.enabled }}
{{- fail "api.ingress.enabled and api.gateway.enabled would lead to the API twice: set one of them to false" }}
{{- end }}
{{- range $way := list "ingress" "gateway" }}
{{- $route := get $api $way }}
{{- if $route.enabled }}
{{- if not $api.enabled }}
{{- fail (printf "api.%s.enabled leads to the API, which is off: set api.enabled to true" $way) }}
{{- end }}
{{- if not $route.host }}
{{- fail (printf "api.%s.host is empty: set it to the name that people will call, such as stocks.example.com" $way) }}
{{- end }}
{{- if not (get $api.env "TRUSTED_PROXIES") }}
{{- fail (printf "api.%s.enabled puts a proxy before the API: set api.env.TRUSTED_PROXIES to the addresses of its pods, such as 10.244.0.0/16; else all callers share the proxy's address and its rate limit" $way) }}
{{- end }}
{{- end }}
{{- end }}
{{- if and $api.ingress.enabled (not $api.ingress.tlsSecret) (not $api.ingress.annotations) }}
{{- fail "api.ingress.tlsSecret is empty, and keys must not travel in plain HTTP: set it to the Secret with the host's certificate, or name a certificate of the cloud by api.ingress.annotations" }}
{{- end }}
{{- if $api.gateway.enabled }}
{{- if not $api.gateway.parentRefs }}
{{- fail "api.gateway.parentRefs is empty: set it to the Gateway that the route hangs on, such as [{name: public, namespace: gateways, sectionName: https}]" }}
{{- end }}
{{- range $api.gateway.parentRefs }}
{{- if not .sectionName }}
{{- fail (printf "api.gateway.parentRefs names no listener of %s, and keys must not travel in plain HTTP: set sectionName to its HTTPS listener" .name) }}
{{- end }}
{{- end }}
{{- end }}
{{- if and $values.airflow.enabled $values.batch.cron.enabled }}
{{- fail "airflow.enabled and batch.cron.enabled would do the same work twice: set one of them to false" }}
{{- end }}
{{- $keda := $values.consumer.keda }}
{{- if $keda.enabled }}
{{- if not $values.consumer.realtime.enabled }}
{{- fail "consumer.keda.enabled needs consumer.realtime.enabled: set it to true" }}
{{- end }}
{{- if gt (int $keda.minReplicas) (int $keda.maxReplicas) }}
{{- fail (printf "consumer.keda.minReplicas is %v: set it to at most maxReplicas, %v" $keda.minReplicas $keda.maxReplicas) }}
{{- end }}
{{- end }}
{{- range $name, $env := dict "producer.env" $values.producer.env "producer.batchEnv" $values.producer.batchEnv "consumer.realtime.env" $values.consumer.realtime.env "consumer.batch.env" $values.consumer.batch.env "consumer.actions.env" $values.consumer.actions.env "loader.env" $values.loader.env "auditor.env" $values.auditor.env "api.env" $values.api.env "spark.stream.env" $values.spark.stream.env "spark.batch.env" $values.spark.batch.env "batch.cron.maintainEnv" $values.batch.cron.maintainEnv }}
{{- range $key, $_ := $env }}
{{- if regexMatch "(PASSWORD|PASSPHRASE|SECRET_KEY|ACCESS_KEY|API_KEY)$" $key }}
{{- fail (printf "%s has %s: put the secret into a Secret and name that by identities or producer.alphaVantageSecret" $name $key) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
