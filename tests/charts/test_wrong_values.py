"""Wrong values fail before anything is installed, with a sentence that says what to set."""

import re

import pytest

from stockpipe.standalone.go_programs import HELM_4, GoProgram
from support.charts import HELMS, PIPELINE, Rendering, template

SMALL, KIND, PRODUCTION = PIPELINE[:3]

WRONG = [
    (SMALL, "kafka.bootstrapServer=a:1", r"kafka'?: additional properties 'bootstrapServer' not allowed"),
    (SMALL, "producer.env.1bad=x", "1bad"),
    (SMALL, "kafka.bootstrapServers=", r"kafka.bootstrapServers is \"\": set it to host:port"),
    (SMALL, "kafka.bootstrapServers=kafka", r"kafka.bootstrapServers is \"kafka\": set it to host:port"),
    (SMALL, "kafka.securityProtocol=TLS", "kafka/securityProtocol'?: value must be one of 'PLAINTEXT', 'SSL'"),
    (SMALL, "kafka.caSecret.name=ca", "kafka.securityProtocol is SASL_PLAINTEXT: set it to SSL or SASL_SSL"),
    (SMALL, "lake.url=file:///lake", r"lake.url is \"file:///lake\": set it to s3://bucket"),
    (SMALL, "lake.url=s3://bucket/folder", "set it to s3://bucket, without a folder"),
    (SMALL, "lake.endpoint=minio:9000", r"lake.endpoint is \"minio:9000\": set it to http\(s\)://host\[:port\]"),
    (SMALL, "lake.endpoint=https://storage.googleapis.com", "set it to a MinIO server's"),
    (SMALL, "lake.caSecret.name=ca", r"set it to https://host\[:port\], or leave caSecret.name empty"),
    (
        KIND,
        "lake.caSecret.name=ca,lake.endpoint=https://minio",
        "can't be used with spark.mode operator.*: set spark.mode to local",
    ),
    (
        SMALL,
        "metrics.alertmanager.slack.secret.name=slack",
        "set metrics.alertmanager.slack.channel, such as #stock-pipeline",
    ),
    (SMALL, "lake.credentials=role", r"lake.endpoint is .*: leave it empty for AWS S3, or set lake.credentials"),
    (
        SMALL,
        "lake.credentials=role,lake.endpoint=",
        "set identities.producer.roleArn to arn:aws:iam::<account>:role/<name>",
    ),
    (SMALL, "image.tag=latest", "image.tag is latest: set it to a version"),
    (SMALL, "images.producer=stockpipe/producer", "images.producer .* give it a tag other than latest"),
    (SMALL, "images.producer=stockpipe/producer:latest", "images.producer .* give it a tag other than latest"),
    (SMALL, "producer.replicas=2", "producer.replicas is 2: set it to 1"),
    (SMALL, "loader.replicas=2", "loader.replicas is 2: set it to 1"),
    (SMALL, "auditor.replicas=2", "auditor.replicas is 2: set it to 1"),
    (SMALL, "spark.stream.replicas=2", "spark.stream.replicas is 2: set it to 1"),
    (SMALL, "producer.symbols={AAPL,AAPL}", "producer.symbols names a symbol twice"),
    (SMALL, "producer.symbols={apple pie}", "producer/symbols/0'?: 'apple pie' does not match pattern"),
    (SMALL, "producer.sources={alphavantage}", "set producer.alphaVantageSecret.name to the Secret with the API key"),
    (SMALL, "producer.sources={yahoo}", "set tests.send to false, or producer.sources to"),
    (SMALL, "producer.sources={yahoo},tests.send=false", "set consumer.actions.enabled to true"),
    (SMALL, "warehouse.kind=snowflake", "set warehouse.snowflake.account to the account's identifier"),
    (
        SMALL,
        "warehouse.kind=snowflake,warehouse.snowflake.account=a",
        "set identities.loader.snowflakeUser to the user that logs in",
    ),
    (
        PRODUCTION,
        "identities.auditor.snowflakeSecret=",
        "set identities.auditor.snowflakeSecret to the Secret whose key privateKey",
    ),
    (PRODUCTION, "identities.api.snowflakeUser=", "set identities.api.snowflakeUser to the user that logs in"),
    (SMALL, "loader.enabled=false", "need loader.enabled with warehouse.kind duckdb"),
    (PRODUCTION, "consumer.realtime.enabled=false", "consumer.keda.enabled needs consumer.realtime.enabled"),
    (PRODUCTION, "consumer.keda.minReplicas=9", "consumer.keda.minReplicas is 9: set it to at most maxReplicas, 6"),
    (PRODUCTION, "consumer.keda.minReplicas=0", "consumer/keda/minReplicas'?: minimum: got 0, want 1"),
    (PRODUCTION, "api.enabled=false", "api.gateway.enabled leads to the API, which is off: set api.enabled to true"),
    (PRODUCTION, "api.ingress.enabled=true", "lead to the API twice: set one of them to false"),
    (PRODUCTION, "api.gateway.host=", "api.gateway.host is empty: set it to the name that people will call"),
    (PRODUCTION, "api.gateway.host=https://stocks.example.com", "api/gateway/host'?: .* does not match pattern"),
    (PRODUCTION, "api.gateway.parentRefs=null", "api.gateway.parentRefs is empty: set it to the Gateway"),
    (
        PRODUCTION,
        "api.gateway.parentRefs[0].sectionName=",
        "names no listener of public, .*: set sectionName to its HTTPS",
    ),
    (PRODUCTION, "api.env.TRUSTED_PROXIES=", "set api.env.TRUSTED_PROXIES to the addresses of its pods, such as"),
    (SMALL, "api.ingress.enabled=true", "api.ingress.enabled leads to the API, which is off: set api.enabled to true"),
    (SMALL, "api.enabled=true,api.ingress.enabled=true", "api.ingress.host is empty: set it to the name"),
    (
        SMALL,
        "api.enabled=true,api.env.TRUSTED_PROXIES=10.0.0.0/8,api.ingress.enabled=true,api.ingress.host=a.example",
        "api.ingress.tlsSecret is empty, and keys must not travel in plain HTTP: set it to the Secret",
    ),
    (SMALL, "api.ingress.tls=secret", r"api/ingress'?: additional properties 'tls' not allowed"),
    (SMALL, "api.ingress.annotations.a=1", "api/ingress/annotations/a'?: got number, want string"),
    (SMALL, "loader.env.MINIO_SECRET_KEY=hush", "loader.env has MINIO_SECRET_KEY: put the secret into a Secret"),
    (SMALL, "loader.resources.limits.memory=null", "loader/resources/limits'?: missing property 'memory'"),
]


@pytest.mark.parametrize("program", HELMS, ids=lambda program: program.version)
@pytest.mark.parametrize(("rendering", "values", "sentence"), WRONG, ids=[values for _, values, _ in WRONG])
def test_wrong_values_fail_with_what_to_set(
    program: GoProgram, rendering: Rendering, values: str, sentence: str
) -> None:
    done = template(program, rendering, "--set", values)
    assert done.returncode
    assert done.stdout == ""
    assert re.search(sentence, done.stderr), done.stderr


def test_what_is_required_is_named_where_nothing_is_set() -> None:
    done = template(HELM_4, Rendering("stock-pipeline", ()))
    assert "kafka.bootstrapServers is" in done.stderr
