"""A closed-loop HTTP client: n connections, each sends its next request when the last is answered. Raw asyncio, keep-alive.

A general client library would cost more than the server under test does.
"""

import asyncio
import json
import time
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import urlsplit

Request = tuple[str, str, dict[str, str], bytes]
"""(method, path, headers, body)"""


class Measured(NamedTuple):
    """Requests per second and latencies in ms; `failed` counts answers that are not 2xx."""

    rate: float
    p50_ms: float
    p99_ms: float
    failed: int
    longest_ms: float


async def _connection(
    host: str, port: int, make: Callable[[], Request], end: float, took: list[float], failed: list[int], pause_s: float
) -> None:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        while time.perf_counter() < end:
            method, path, headers, body = make()
            lines = [f"{method} {path} HTTP/1.1", f"host: {host}", f"content-length: {len(body)}"]
            lines += [f"{name}: {value}" for name, value in headers.items()]
            start = time.perf_counter()
            writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
            )
            await reader.readexactly(length)
            took.append(time.perf_counter() - start)
            if not head.startswith(b"HTTP/1.1 2"):
                failed.append(int(head[9:12]))
            if pause_s:
                await asyncio.sleep(pause_s)
    finally:
        writer.close()


async def _run(url: str, connections: int, seconds: float, make: Callable[[], Request], pause_s: float) -> Measured:
    address = urlsplit(url)
    took: list[float] = []
    failed: list[int] = []
    start = time.perf_counter()
    await asyncio.gather(
        *(
            _connection(address.hostname or "", address.port or 80, make, start + seconds, took, failed, pause_s)
            for _ in range(connections)
        )
    )
    elapsed = time.perf_counter() - start
    took.sort()
    return Measured(
        rate=len(took) / elapsed,
        p50_ms=1000 * took[len(took) // 2],
        p99_ms=1000 * took[int(len(took) * 0.99)],
        failed=len(failed),
        longest_ms=1000 * took[-1],
    )


def measure(
    url: str, connections: int, seconds: float, make: Callable[[], Request], *, pause_s: float = 0.0
) -> Measured:
    """Load `url` with `connections` for `seconds`; each rests for `pause_s` between two requests."""
    import uvloop

    return uvloop.run(_run(url, connections, seconds, make, pause_s))


def as_json(body: dict[str, object]) -> bytes:
    return json.dumps(body).encode()
