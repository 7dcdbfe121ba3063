"""Settings of the API."""

from ipaddress import ip_address, ip_network
from typing import Literal, Self

from pydantic import Field, model_validator

from stockpipe.api.keys import Role
from stockpipe.common.settings import CommaSeparated, LakeSettings, WarehouseSettings


class ServeSettings(LakeSettings, WarehouseSettings):
    """Serve the warehouse over HTTP, and the dashboard, until stopped.

    Who may read is told by API keys (`stockpipe-api keys create`) or by OIDC bearer tokens; nobody else, unless
    ANONYMOUS_ROLE says so.
    """

    listen_host: str = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 in a container")
    listen_port: int = Field(
        8000, ge=0, le=65535, description="TCP port to listen on; 0 = a free one, which the log names"
    )
    anonymous_role: Literal["none", "reader", "operator"] = Field(
        "none", description="What a caller without a key may do; operator only on a loopback LISTEN_HOST"
    )
    oidc_issuer: str | None = Field(None, description="URL of the OpenID Connect provider whose tokens are accepted")
    oidc_audience: str | None = Field(None, description="Audience that its tokens must name")
    oidc_roles_claim: str = Field("roles", description="Claim that lists a token's roles")
    oidc_reader_role: str = Field("stockpipe-reader", description="Value of that claim which makes a reader")
    oidc_operator_role: str = Field("stockpipe-operator", description="Value of that claim which makes an operator")
    rate_limit_per_minute: int = Field(
        1200, ge=0, description="Requests a minute of one key, token or address, in each replica; 0 = no limit"
    )
    poll_seconds: float = Field(2.0, gt=0, description="Seconds between two looks for newly loaded batches")
    stream_clients: int = Field(1000, ge=1, description="Most clients of /v1/stream at once, in each replica")
    cache_mib: int = Field(64, ge=1, description="MiB of answers that are kept until a new batch is loaded")
    stop_seconds: int = Field(10, ge=1, description="Seconds that open requests may take once SIGTERM has come")
    cors_origins: CommaSeparated = Field((), description="Origins of other sites' pages that may call (default: none)")
    trusted_proxies: CommaSeparated = Field(
        (), description="Addresses or networks of proxies whose X-Forwarded-For is believed (default: none)"
    )
    kafka_topic_realtime: str = Field("stock-market-realtime", description="Topic of quotes, for lineage")
    kafka_topic_batch: str = Field("stock-market-batch", description="Topic of daily bars, for lineage")
    kafka_topic_actions: str = Field("stock-market-actions", description="Topic of splits and dividends, for lineage")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.anonymous_role == "operator" and not _is_loopback(self.listen_host):
            raise ValueError(f"ANONYMOUS_ROLE=operator is for a loopback LISTEN_HOST; {self.listen_host!r} is none")
        if bool(self.oidc_issuer) != bool(self.oidc_audience):
            raise ValueError("OIDC_ISSUER and OIDC_AUDIENCE go together; set both or none")
        for proxy in self.trusted_proxies:
            _check_network(proxy)
        return self


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _check_network(proxy: str) -> None:
    """Refuse what uvicorn would take for a name that never calls, or for everybody."""
    try:
        everybody = ip_network(proxy).prefixlen == 0
    except ValueError:
        raise ValueError(
            f"TRUSTED_PROXIES has {proxy!r}, which is no address or network such as 10.244.0.0/16"
        ) from None
    if everybody:
        raise ValueError(
            f"TRUSTED_PROXIES={proxy} would believe what any caller says of its address; name the proxies'"
        )


class CreateKeySettings(LakeSettings):
    """Make an API key and print it; it is shown this once, the lake holds only its hash."""

    name: str = Field(min_length=1, max_length=64, description="Who or what will use it, for the list and the log")
    role: Role = Field("reader", description="What it may do")


class ListKeysSettings(LakeSettings):
    """List the API keys that are admitted, without their secrets."""


class RevokeKeySettings(LakeSettings):
    """Revoke an API key: it is refused from the next request on, by every replica."""

    id: str = Field(pattern=r"^[0-9a-f]{8}$", description="Id of the key, the part between the underscores")
