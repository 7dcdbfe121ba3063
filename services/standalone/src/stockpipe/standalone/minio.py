"""A real MinIO server, one node, on a free port of the loopback interface."""

import contextlib
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import urllib3
from minio import Minio
from minio.error import MinioException
from urllib3.exceptions import HTTPError

from stockpipe.common.errors import Unavailable
from stockpipe.standalone.go_programs import MINIO
from stockpipe.standalone.ports import free_ports
from stockpipe.standalone.processes import ChildProcess

START_SECONDS = 60.0


@dataclass(frozen=True)
class Tls:
    """PEM files: the server's certificate for 127.0.0.1 with its key, and the CA that signed it."""

    certificate: Path
    key: Path
    ca: Path


class MinioServer:
    """A running server with a user that may do everything."""

    def __init__(self, process: ChildProcess, port: int, user: str, password: str, tls: Tls | None) -> None:
        self.process = process
        self.address = ("127.0.0.1", port)
        self.access_key = user
        self.secret_key = password
        self.ca_file = tls.ca if tls else None

    @property
    def endpoint(self) -> str:
        """Return the URL for MINIO_ENDPOINT."""
        return f"{'https' if self.ca_file else 'http'}://127.0.0.1:{self.address[1]}"

    def create_bucket(self, name: str) -> None:
        """Create a bucket."""
        self.client().make_bucket(name)

    def client(self) -> Minio:
        """Return a client of the user that may do everything."""
        pool = urllib3.PoolManager(retries=False, timeout=10.0, ca_certs=str(self.ca_file) if self.ca_file else None)
        host, port = self.address
        return Minio(
            f"{host}:{port}",
            self.access_key,
            self.secret_key,
            secure=self.ca_file is not None,
            region="us-east-1",
            http_client=pool,
        )

    def environment(self, bucket: str) -> dict[str, str]:
        """Return the variables with which a program uses `bucket` as its lake."""
        variables = {
            "LAKE_URL": f"s3://{bucket}",
            "MINIO_ENDPOINT": self.endpoint,
            "MINIO_ACCESS_KEY": self.access_key,
            "MINIO_SECRET_KEY": self.secret_key,
        }
        return variables | ({"MINIO_CA_FILE": str(self.ca_file)} if self.ca_file else {})


@contextlib.contextmanager
def running_minio(
    folder: Path,
    *,
    port: int | None = None,
    tls: Tls | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[MinioServer]:
    """Start a server with its data and credentials in `folder`, wait until it is ready, and stop it at the end.

    Args:
        folder: where an earlier server's data may already lie.
        port: the port to listen on; None takes a free one.
        tls: serve https with this certificate.
        environment: variables of the process, beside its own.

    Raises:
        ConfigError: there is no MinIO server, and no Go to build one.
        Unavailable: the server ended or wasn't ready in time.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port = port or free_ports(1)[0]
    password = _password(folder / "password")
    command = [str(MINIO.build()), "server", "--quiet", "--address", f"127.0.0.1:{port}"]
    command += ["--certs-dir", str(_certificates(folder / "certs", tls)), str(folder / "data")]
    variables = {
        "MINIO_ROOT_USER": "stockpipe",
        "MINIO_ROOT_PASSWORD": password,
        "MINIO_BROWSER": "off",
        "MINIO_UPDATE": "off",
    }
    process = ChildProcess("minio", command, {**(environment or {}), **variables}, folder / "minio.log")
    try:
        server = MinioServer(process, port, "stockpipe", password, tls)
        _await_ready(server)
        yield server
    finally:
        process.close(grace_seconds=10.0)


def _password(file: Path) -> str:
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(24))
    return file.read_text()


def _certificates(folder: Path, tls: Tls | None) -> Path:
    folder.mkdir(exist_ok=True)
    if tls:
        shutil.copyfile(tls.certificate, folder / "public.crt")
        shutil.copyfile(tls.key, folder / "private.key")
    return folder


def _await_ready(server: MinioServer) -> None:
    client = server.client()
    deadline = time.monotonic() + START_SECONDS
    while True:
        if server.process.poll() is not None:
            raise Unavailable(f"MinIO ended at once; {server.process.log} ends with: {server.process.last_lines(3)}")
        # /minio/health/ready says yes some moments before users are known
        with contextlib.suppress(HTTPError, MinioException):
            client.list_buckets()
            return
        if time.monotonic() > deadline:
            raise Unavailable(f"MinIO isn't ready within {START_SECONDS:.0f} s; see {server.process.log}")
        time.sleep(0.05)
