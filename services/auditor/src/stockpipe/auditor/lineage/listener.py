"""Whom lineage events are told: a file, a server that speaks OpenLineage, or a Kafka topic."""

from typing import Any
from urllib.parse import urlsplit

from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import RunEvent

from stockpipe.common.errors import ConfigError, Unavailable
from stockpipe.common.settings import KafkaSettings

TIMEOUT_SECONDS = 10.0


class Listener:
    """Takes events, one after the other."""

    def __init__(self, url: str, kafka: KafkaSettings) -> None:
        """Prepare the way to `url`.

        Raises:
            ConfigError: no way leads there.
        """
        self._url = url
        self._client = OpenLineageClient(config={"transport": _transport(url, kafka)})

    def tell(self, event: RunEvent) -> None:
        """Tell one event.

        Raises:
            Unavailable: it wasn't taken.
        """
        try:
            self._client.emit(event)
        except Exception as error:  # each transport has its own kinds
            raise Unavailable(f"LINEAGE_URL {self._url}: event not taken: {error}") from error

    def close(self) -> None:
        """Wait for what is still on its way."""
        self._client.close(TIMEOUT_SECONDS)


def _transport(url: str, kafka: KafkaSettings) -> dict[str, Any]:
    parts = urlsplit(url)
    path = parts.path.strip("/")
    if parts.scheme == "file" and path and not parts.netloc:
        return {"type": "file", "log_file_path": f"/{path}", "append": True}
    if parts.scheme in ("http", "https") and parts.netloc:
        base = f"{parts.scheme}://{parts.netloc}"
        retry = {"total": 2, "backoff_factor": 0.2, "allowed_methods": ["POST"]}
        return {"type": "http", "url": base, "timeout": TIMEOUT_SECONDS, "retry": retry} | (
            {"endpoint": path} if path else {}
        )
    if parts.scheme == "kafka" and path and not parts.netloc:
        return {"type": "kafka", "topic": path, "config": kafka.kafka_client_config(), "flush": True}
    raise ConfigError(
        f"LINEAGE_URL (--lineage-url) {url!r} is none of file:///absolute/file.ndjson, http(s)://host[:port][/path] "
        "and kafka:///topic"
    )
