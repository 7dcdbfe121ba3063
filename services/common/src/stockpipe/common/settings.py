"""Settings: environment variables and flags of the same name, in one class a command.

A flag beats its environment variable. A secret may also come from a file: `NAME_FILE` holds the path.
"""

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SecretStr, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from stockpipe.common.contracts.topics import TopicKind
from stockpipe.common.errors import ConfigError


def _split(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


CommaSeparated = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]


class _SecretFiles(PydanticBaseSettingsSource):
    """Reads a secret field from the file that the variable `<NAME>_FILE` names."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        variable = f"{field_name.upper()}_FILE"
        path = os.environ.get(variable)
        if path is None or SecretStr not in (field.annotation, *getattr(field.annotation, "__args__", ())):
            return None, field_name, False
        try:
            return Path(path).read_text().rstrip("\n"), field_name, False
        except OSError as error:
            raise ConfigError(f"{variable}={path!r} can't be read: {error.strerror}") from error

    def __call__(self) -> dict[str, Any]:
        values = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in values.items() if value is not None}


class ServiceSettings(BaseSettings):
    """Settings of every command."""

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        env_ignore_empty=True,
        cli_kebab_case=True,
        cli_avoid_json=True,
        cli_hide_none_type=True,
        cli_implicit_flags=True,
        cli_show_env_vars=True,
        hide_input_in_errors=False,
    )

    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged")
    metrics_port: int = Field(
        0,
        ge=0,
        le=65535,
        description="TCP port that serves metrics at /metrics and health at /healthz; 0 = none",
    )
    stall_seconds: float = Field(
        300, gt=0, description="Seconds without a turn of the main loop after which /healthz answers 503"
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is pydantic's
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, _SecretFiles(settings_cls)


class KafkaSettings(ServiceSettings):
    """How to reach Kafka, and the names of the topics."""

    kafka_bootstrap_server: str = Field(description="Brokers to ask first, host:port[,host:port]")
    kafka_topic_realtime: str = Field("stock-market-realtime", description="Topic of quotes")
    kafka_topic_batch: str = Field("stock-market-batch", description="Topic of daily bars")
    kafka_topic_actions: str = Field("stock-market-actions", description="Topic of splits and dividends")
    kafka_consumer_group_prefix: str = Field(
        "stock-market-consumer-",
        description="Consumer group of a topic is this, followed by realtime, batch or actions",
    )
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="Transport to the brokers"
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "SCRAM-SHA-512", description="SASL mechanism, used with SASL_PLAINTEXT and SASL_SSL"
    )
    kafka_sasl_username: str | None = Field(None, description="SASL user")
    kafka_sasl_password: SecretStr | None = Field(
        None, description="SASL password; better from a file by KAFKA_SASL_PASSWORD_FILE"
    )
    kafka_ssl_ca_location: Path | None = Field(None, description="PEM file with the brokers' CA")

    def topic(self, kind: TopicKind) -> str:
        """Return the name of the topic of this kind."""
        return {
            "realtime": self.kafka_topic_realtime,
            "batch": self.kafka_topic_batch,
            "actions": self.kafka_topic_actions,
        }[kind]

    @property
    def topics(self) -> dict[TopicKind, str]:
        """Return the name of every topic by its kind."""
        return {"realtime": self.kafka_topic_realtime, "batch": self.kafka_topic_batch}

    def consumer_group(self, kind: TopicKind) -> str:
        """Return the name of the group that lands topics of this kind in the lake."""
        return self.kafka_consumer_group_prefix + kind

    def kafka_client_config(self) -> dict[str, Any]:
        """Return the connection part of a librdkafka configuration.

        Raises:
            ConfigError: SASL is chosen without user or password.
        """
        config: dict[str, Any] = {
            "bootstrap.servers": self.kafka_bootstrap_server,
            "security.protocol": self.kafka_security_protocol,
            # What matters of librdkafka's own log comes by error_cb, as JSON.
            "log_level": 2,
        }
        if self.kafka_security_protocol.startswith("SASL"):
            if not self.kafka_sasl_username or self.kafka_sasl_password is None:
                raise ConfigError(
                    f"KAFKA_SECURITY_PROTOCOL={self.kafka_security_protocol} needs KAFKA_SASL_USERNAME and "
                    "KAFKA_SASL_PASSWORD (or KAFKA_SASL_PASSWORD_FILE)"
                )
            config |= {
                "sasl.mechanism": self.kafka_sasl_mechanism,
                "sasl.username": self.kafka_sasl_username,
                "sasl.password": self.kafka_sasl_password.get_secret_value(),
            }
        if self.kafka_ssl_ca_location:
            config["ssl.ca.location"] = str(self.kafka_ssl_ca_location)
        return config


class OptionalLakeSettings(ServiceSettings):
    """Where the data lake is, for commands that may do without it."""

    lake_url: str | None = Field(None, description="Data lake, file:///absolute/folder or s3://bucket")
    minio_endpoint: str | None = Field(
        None, description="MinIO or another S3 server, http(s)://host[:port], or host:port for http (default: AWS)"
    )
    minio_access_key: SecretStr | None = Field(None, description="Access key of the bucket")
    minio_secret_key: SecretStr | None = Field(
        None, description="Secret key of the bucket; better from a file by MINIO_SECRET_KEY_FILE"
    )
    minio_bucket: str | None = Field(None, description="Bucket, another way to say LAKE_URL=s3://bucket")
    aws_role_arn: str | None = Field(None, description="IAM role to take instead of keys, as EKS sets it")
    aws_web_identity_token_file: Path | None = Field(
        None, description="Token of the service account that may take the role, as EKS sets it"
    )
    minio_region: str = Field("us-east-1", description="Region of the bucket")
    minio_ca_file: Path | None = Field(None, description="PEM file with the S3 server's CA (default: public ones)")

    @model_validator(mode="before")
    @classmethod
    def _bucket_is_the_lake(cls, values: dict[str, Any]) -> dict[str, Any]:
        if bucket := values.get("minio_bucket"):
            url = values.setdefault("lake_url", f"s3://{bucket}")
            if url != f"s3://{bucket}":
                raise ValueError(f"MINIO_BUCKET {bucket!r} contradicts LAKE_URL {url!r}; unset one of them")
        return values


class LakeSettings(OptionalLakeSettings):
    """Where the data lake is."""

    lake_url: str = Field(description="Data lake, file:///absolute/folder or s3://bucket")


_IDENTIFIER = r"^[A-Za-z_][A-Za-z0-9_$]*$"


class WarehouseSettings(ServiceSettings):
    """Where the warehouse is. The SNOWFLAKE_* settings are used with WAREHOUSE_URL=snowflake:// only."""

    warehouse_url: str = Field(description="Warehouse, duckdb:///absolute/file.duckdb or snowflake://")
    snowflake_account: str | None = Field(None, description="Account identifier, such as myorg-myaccount")
    snowflake_user: str | None = Field(None, description="User that logs in, by key or by password")
    snowflake_private_key_file: Path | None = Field(None, description="PEM file with the user's private key (PKCS 8)")
    snowflake_private_key_passphrase: SecretStr | None = Field(
        None, description="Passphrase of the key; better from a file by SNOWFLAKE_PRIVATE_KEY_PASSPHRASE_FILE"
    )
    snowflake_password: SecretStr | None = Field(
        None, description="Password, where there is no key; better from a file by SNOWFLAKE_PASSWORD_FILE"
    )
    snowflake_warehouse: str | None = Field(None, description="Virtual warehouse; default: the user's own")
    snowflake_role: str | None = Field(None, description="Role; default: the user's own")
    snowflake_database: str | None = Field(
        None,
        pattern=_IDENTIFIER,
        description="Database of the loader's temporary stage; default: that of the batch's table. "
        "The tables are always in STOCKMARKETBATCH and STOCKMARKETSTREAM",
    )
    snowflake_schema: str = Field("PUBLIC", pattern=_IDENTIFIER, description="Schema of the tables in their databases")
    snowflake_host: str | None = Field(
        None, description="URL of the server where it isn't the account's own: private link or a test server"
    )
    snowflake_login_seconds: int = Field(
        30, ge=1, le=600, description="Seconds until a log-in is given up, checked between tries"
    )
    snowflake_statement_seconds: int = Field(
        600, ge=1, description="Seconds until a statement is cancelled, new tries over a broken network included"
    )
