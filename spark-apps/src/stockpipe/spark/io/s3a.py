"""A bucket as Spark reaches it, by S3A, from the same settings as the store."""

from collections.abc import Mapping
from typing import Any

from pyspark.sql import SparkSession

from stockpipe.common.lake.s3_bucket import Bucket

_CLOUD = "org.apache.spark.internal.io.cloud"
_COMMITTERS = {
    "spark.hadoop.fs.s3a.committer.name": "magic",
    "spark.hadoop.mapreduce.outputcommitter.factory.scheme.s3a": "org.apache.hadoop.fs.s3a.commit.S3ACommitterFactory",
    "spark.sql.sources.commitProtocolClass": f"{_CLOUD}.PathOutputCommitProtocol",
    "spark.sql.parquet.output.committer.class": f"{_CLOUD}.BindingParquetOutputCommitter",
    "spark.sql.streaming.checkpointFileManagerClass": f"{_CLOUD}.AbortableStreamBasedCheckpointFileManager",
}
_CREDENTIALS = "software.amazon.awssdk.auth.credentials"
_TRUST_PASSWORD = "changeit"  # noqa: S105 - Java's own for stores without secrets


def s3a_confs(bucket: Bucket) -> dict[str, str]:
    """Return what Spark must know of the bucket, without the credentials: confs are on command lines and in event logs.

    Executors in other processes take the credentials from their environment, as the driver does; see
    `s3a_environment`.
    """
    confs = _COMMITTERS | {
        "spark.hadoop.fs.s3a.aws.credentials.provider": f"{_CREDENTIALS}."
        + ("WebIdentityTokenFileCredentialsProvider" if bucket.role else "EnvironmentVariableCredentialsProvider"),
        "spark.hadoop.fs.s3a.endpoint.region": bucket.region,
        "spark.hadoop.fs.s3a.connection.ssl.enabled": str(bucket.secure).lower(),
    }
    if not bucket.on_aws:
        confs["spark.hadoop.fs.s3a.endpoint"] = f"{'https' if bucket.secure else 'http'}://{bucket.endpoint}"
        confs["spark.hadoop.fs.s3a.path.style.access"] = "true"
    return confs


def s3a_environment(bucket: Bucket) -> Mapping[str, str]:
    """Return the variables from which S3A takes the credentials."""
    if bucket.role:
        return {
            "AWS_ROLE_ARN": bucket.role.arn,
            "AWS_WEB_IDENTITY_TOKEN_FILE": str(bucket.role.token_file),
            "AWS_REGION": bucket.region,
        }
    return {"AWS_ACCESS_KEY_ID": bucket.access_key, "AWS_SECRET_ACCESS_KEY": bucket.secret_key.get_secret_value()}


def trust_ca(spark: SparkSession, bucket: Bucket) -> None:
    """Let the driver's Java trust the bucket's CA instead of the public ones, before its first connection.

    Executors in other processes need a trust store of their own, by `spark.executor.extraJavaOptions`.
    """
    if bucket.ca_file is None:
        return
    gateway: Any = spark.sparkContext._gateway
    java = gateway.jvm.java
    password = gateway.new_array(gateway.jvm.char, len(_TRUST_PASSWORD))
    for position, character in enumerate(_TRUST_PASSWORD):
        password[position] = character
    store = java.security.KeyStore.getInstance("PKCS12")
    store.load(None, password)
    pem = java.io.FileInputStream(str(bucket.ca_file))
    for number, certificate in enumerate(
        java.security.cert.CertificateFactory.getInstance("X.509").generateCertificates(pem)
    ):
        store.setCertificateEntry(f"ca-{number}", certificate)
    pem.close()
    file = java.io.File.createTempFile("stockpipe-ca", ".p12")
    file.deleteOnExit()
    output = java.io.FileOutputStream(file)
    store.store(output, password)
    output.close()
    java.lang.System.setProperty("javax.net.ssl.trustStore", file.getPath())
    java.lang.System.setProperty("javax.net.ssl.trustStorePassword", _TRUST_PASSWORD)
    java.lang.System.setProperty("javax.net.ssl.trustStoreType", "PKCS12")
