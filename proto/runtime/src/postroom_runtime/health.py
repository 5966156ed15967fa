"""`/healthz/live`, `/healthz/ready` with reasons, `/metrics`: the three pages of every process."""

import asyncio
import json
import os
from collections.abc import Callable

from prometheus_client import REGISTRY, CollectorRegistry, generate_latest, multiprocess

Check = Callable[[], str | None]
"""Returns why the process is not ready, or None."""

_REQUEST_LIMIT = 8_192
_REQUEST_SECONDS = 5


class Health:
    """What makes a process ready. Reasons are sentences for an operator."""

    def __init__(self) -> None:
        self._checks: dict[str, Check] = {}

    def add(self, name: str, check: Check) -> None:
        """Ask `check` from now on whenever readiness is asked for."""
        self._checks[name] = check

    def reasons(self) -> dict[str, str]:
        """Return what is wrong, by name of the check; empty = ready."""
        found = {name: check() for name, check in self._checks.items()}
        return {name: reason for name, reason in found.items() if reason}


def _metrics() -> bytes:
    """Return what this process counts, or what all count that share its directory."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)


class HealthServer:
    """Answers health and metrics over HTTP/1.1, one request a connection."""

    def __init__(self, health: Health, host: str, port: int) -> None:
        self._health = health
        self._host = host
        self._port = port
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen; OSError when the port is taken."""
        self._server = await asyncio.start_server(self._serve, self._host, self._port)

    async def stop(self) -> None:
        """Close the listener."""
        if self._server is not None:
            self._server.close()

    def _answer(self, path: str) -> tuple[int, str, bytes]:
        if path == "/healthz/live":
            return 200, "application/json", b'{"status":"live"}\n'
        if path == "/healthz/ready":
            reasons = self._health.reasons()
            body = {"status": "not ready" if reasons else "ready", "reasons": reasons}
            return (503 if reasons else 200), "application/json", json.dumps(body).encode() + b"\n"
        if path == "/metrics":
            return 200, "text/plain; version=0.0.4", _metrics()
        return 404, "text/plain", b"only /healthz/live, /healthz/ready and /metrics\n"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_REQUEST_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
            words = head[:_REQUEST_LIMIT].split(b" ", 2)
            path = words[1].decode("ascii", "replace") if len(words) > 1 else ""
            status, kind, body = self._answer(path)
            writer.write(
                f"HTTP/1.1 {status} .\r\nContent-Type: {kind}\r\n"
                f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
                + body
            )
            await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # the asker went away or was no HTTP client; there is nobody to tell
        finally:
            writer.close()
