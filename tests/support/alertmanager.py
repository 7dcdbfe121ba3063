"""A real Alertmanager on the loopback interface, with the routes of an AlertmanagerConfig."""

import contextlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import yaml

from stockpipe.standalone.go_programs import ALERTMANAGER
from stockpipe.standalone.ports import free_ports
from stockpipe.standalone.processes import ChildProcess
from support.background import answering
from support.go_programs import require
from support.waiting import eventually

Secrets = Mapping[tuple[str, str], str]
"""Values of Secrets by name and key."""


def alertmanager_config(custom: Mapping[str, Any], secrets: Secrets, **settings: Any) -> dict[str, Any]:
    """Return the configuration that prometheus-operator makes of an AlertmanagerConfig, by its documentation.

    It routes the alerts of its own namespace only. `settings` are global ones.
    """
    spec = _plain(custom["spec"], secrets)
    route = spec["route"] | {"matchers": [f'namespace="{custom["metadata"]["namespace"]}"'], "continue": True}
    receivers = [{"name": "null"}, *spec["receivers"]]
    return {"global": settings, "route": {"receiver": "null", "routes": [route]}, "receivers": receivers}


def _plain(value: Any, secrets: Secrets) -> Any:
    if isinstance(value, list):
        if value and isinstance(value[0], dict) and value[0].keys() == {"name", "matchType", "value"}:
            return [f'{each["name"]}{each["matchType"]}"{each["value"]}"' for each in value]
        if value and isinstance(value[0], dict) and value[0].keys() == {"key", "value"}:
            return {each["key"]: each["value"] for each in value}
        return [_plain(each, secrets) for each in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"name", "key"}:
        return secrets[value["name"], value["key"]]
    return {_snake(key): _plain(each, secrets) for key, each in value.items()}


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])([A-Z]+)", lambda found: "_" + found[1].lower(), name.removesuffix("Secret"))


class Told(ThreadingHTTPServer):
    """Whoever is told: keeps the path and the JSON of every request."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.messages: list[tuple[str, Any]] = []

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"

    def by_path(self) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = {}
        for path, message in self.messages:
            found.setdefault(path, []).append(message)
        return found


class _Handler(BaseHTTPRequestHandler):
    server: Told

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.messages.append((self.path, json.loads(body)))
        self.send_response(202 if self.path == "/pagerduty" else 200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")  # Slack says so, and nothing else is taken for success

    def log_message(self, *_args: object) -> None:
        pass


@contextlib.contextmanager
def listening() -> Iterator[Told]:
    with answering(Told()) as told:
        yield told


class Alertmanager:
    """A running server."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}"

    def is_ready(self) -> bool:
        with contextlib.suppress(OSError):
            return bool(urlopen(f"{self._url}/-/ready", timeout=10).status == 200)
        return False

    def tell(self, alerts: Sequence[Mapping[str, Any]], begin: datetime, end: datetime) -> None:
        """Hand over alerts as Prometheus does; they are resolved once `end` has passed."""
        times = {"startsAt": begin.isoformat(), "endsAt": end.isoformat()}
        body = json.dumps([{**alert, **times} for alert in alerts]).encode()
        request = Request(f"{self._url}/api/v2/alerts", body, {"Content-Type": "application/json"})
        with urlopen(request, timeout=10) as answer:
            assert answer.status == 200


@contextlib.contextmanager
def running_alertmanager(folder: Path, config: Mapping[str, Any]) -> Iterator[Alertmanager]:
    (port,) = free_ports(1)
    (folder / "alertmanager.yml").write_text(yaml.safe_dump(dict(config)))
    command = [
        require(ALERTMANAGER),
        f"--config.file={folder / 'alertmanager.yml'}",
        f"--storage.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]
    process = ChildProcess("alertmanager", command, {}, folder / "log")
    server = Alertmanager(port)
    try:
        eventually(lambda: process.poll() is not None or server.is_ready(), "Alertmanager answers")
        assert process.poll() is None, process.last_lines()
        yield server
    finally:
        process.close(grace_seconds=5.0)
