"""200 clients at once against the API, and against a bare FastAPI route that answers with the same bytes."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from stockpipe.standalone.ports import free_ports
from support.api import make_site
from support.served import serving
from support.waiting import eventually

CLIENTS = 200
SECONDS = 1.5
ROUNDS = 2
PATH = "/v1/daily/AAPL?limit=100&columns=date,daily_close"
TARGET_RATIO = 0.5
LEAST_RATIO = TARGET_RATIO / 2
"""What fails: a run of seconds on a busy machine tells less than the figures that it prints."""


@dataclass
class Result:
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    errors: int = 0

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.seconds

    @property
    def line(self) -> str:
        p50, p95 = (1000 * sorted(self.latencies)[int(len(self.latencies) * part)] for part in (0.5, 0.95))
        share = self.errors / (len(self.latencies) + self.errors)
        return f"{self.rate:7,.0f} requests/s   p50 {p50:6.1f} ms   p95 {p95:6.1f} ms   errors {share:.2%}"


async def _client(port: int, request: bytes, status: bytes, until: float, result: Result) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while (began := time.perf_counter()) < until:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        fields = head.lower()
        if b"content-length: " in fields:
            await reader.readexactly(int(fields.split(b"content-length: ")[1].split(b"\r\n")[0]))
        if head.split(b" ", 2)[1] == status:
            result.latencies.append(time.perf_counter() - began)
        else:
            result.errors += 1
    writer.close()


async def _round(port: int, request: bytes, status: bytes, result: Result) -> None:
    began = time.perf_counter()
    clients = (_client(port, request, status, began + SECONDS, result) for _ in range(CLIENTS))
    await asyncio.gather(*clients)
    result.seconds += time.perf_counter() - began


@contextmanager
def _bare(folder: Path, body: bytes) -> Iterator[int]:
    (port,) = free_ports(1)
    (folder / "body").write_bytes(body)
    program = Path(__file__).with_name("bare.py")
    with subprocess.Popen([sys.executable, str(program), str(port), str(folder / "body")]) as process:
        eventually(lambda: _answers(port), "the bare route answers")
        yield port
        process.terminate()


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/bare").status_code == 200
    except httpx.TransportError:
        return False


def _request(path: str, *headers: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: x", *headers, "", ""]).encode()


def test_cached_reads_come_near_a_bare_route(tmp_path: Path) -> None:
    site = make_site(tmp_path)
    key = f"Authorization: Bearer {site.key()}"
    with serving(site, "--anonymous-role", "reader", "--rate-limit-per-minute", "0") as api:
        answer = httpx.get(f"{api.url}{PATH}")
        with _bare(tmp_path, answer.content) as bare:
            cases = {
                "bare route": (bare, _request("/bare"), b"200"),
                "cached": (api.port, _request(PATH), b"200"),
                "not modified": (api.port, _request(PATH, f"If-None-Match: {answer.headers['etag']}"), b"304"),
                "cached, with a key": (api.port, _request(PATH, key), b"200"),
            }
            results = {name: Result() for name in cases}
            for _ in range(ROUNDS):
                for name, (port, request, status) in cases.items():
                    asyncio.run(_round(port, request, status, results[name]))
    print(f"\n{CLIENTS} clients, {len(answer.content):,} bytes an answer; the target is a ratio of {TARGET_RATIO}")
    for name, result in results.items():
        print(f"  {name:20} {result.line}   ratio {result.rate / results['bare route'].rate:.2f}")
    assert {name: result.errors for name, result in results.items()} == dict.fromkeys(cases, 0)
    assert results["cached"].rate / results["bare route"].rate >= LEAST_RATIO
    assert results["not modified"].rate / results["bare route"].rate >= LEAST_RATIO
