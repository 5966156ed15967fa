"""How soon a change of configuration is live in the services, while nothing else happens and while
10,000 mailboxes are pushed to another server.

Live is what a user sees: an address is accepted by the SMTP server, a rule speaks in a trial, the
fetcher connects to the server of a new mailbox. Each sample is the slowest of the three, from the
asking to the effect, on a whole system. The peer is the target.
"""

import asyncio
import contextlib
import os
import smtplib
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg

from postroom import services
from postroom.embedded import logins
from support.client import Api
from support.system import System

PUSHED = int(os.environ.get("PUSHED", "10000"))
ROUNDS = int(os.environ.get("CHANGES", "20"))
ALONE_SECONDS, PUSHING_SECONDS = 1.0, 5.0
PATIENCE = 60.0
SMTP = {"type": "smtp"}

_FILL = """
INSERT INTO config.mailbox (id, account, name, kind, source, owner, active, login, host, port, tls,
    sealed_password, password_set_at, interval_minutes, service)
SELECT 'mbx_' || lpad(n::text, 26, '0'), p.account, 'Box ' || n, 'user', 'imap', p.id, false,
    'box' || n || '@example.net', 'imap.example.net', 993, 'implicit', 'x', now(), 0, $1
FROM generate_series(1, $2::int) n, (SELECT id, account FROM config.person LIMIT 1) p
"""


async def _until(asked: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await asked():
            await asyncio.sleep(0.005)


class _Server:
    """A mail server as far as the fetcher's first connection."""

    def __init__(self) -> None:
        self.connected = asyncio.Event()
        self.port = 0

    async def _met(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connected.set()
        writer.write(b"* BYE not now\r\n")
        with contextlib.suppress(OSError):
            await writer.drain()
        writer.close()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["_Server"]:
        server = await asyncio.start_server(self._met, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        async with server:
            yield self


class Changes:
    """One change each for smtp, rules and fetcher, and how long until it shows."""

    def __init__(self, system: System, api: Api, server: _Server) -> None:
        self._system, self._api, self._server = system, api, server
        self._number = 0
        self._box = ""

    async def slowest(self) -> float:
        """Seconds until all three are live."""
        self._number += 1
        begun = time.perf_counter()
        await asyncio.gather(self._address(), self._rule(), self._fetched())
        return time.perf_counter() - begun

    async def _address(self) -> None:
        address = f"live{self._number}@live.example"
        await self._api.post(
            "/mailboxes", name=address, source={"type": "smtp", "addresses": [address]}
        )

        def accepted() -> bool:
            with smtplib.SMTP("127.0.0.1", self._system.smtp_port, timeout=20) as client:
                client.ehlo("bench.example")
                client.mail("anna@example.net")
                return client.rcpt(address)[0] == 250

        await _until(lambda: asyncio.to_thread(accepted))

    async def _rule(self) -> None:
        name = f"Rule {self._number}"
        box = self._box or (await self._api.post("/mailboxes", name="Ruled", source=SMTP))["id"]
        self._box = box
        await self._api.post(
            "/rules", name=name, mailbox=box, condition={"kind": "group", "mode": "all", "of": []},
            actions=[{"kind": "mark_read"}],
        )  # fmt: skip

        async def speaks() -> bool:
            tried = await self._api.post("/rules/try", mailbox=box, raw="Subject: x\n\nx\n")
            return any(one["name"] == name for one in tried["decision"]["trace"])

        await _until(speaks)

    async def _fetched(self) -> None:
        self._server.connected.clear()
        made = await self._api.post(
            "/mailboxes",
            name=f"Fetched {self._number}",
            source={
                "type": "imap", "host": "127.0.0.1", "port": self._server.port, "tls": "none",
                "login": "box", "password": "secret",
            },
        )  # fmt: skip
        await self._api.post(f"/mailboxes/{made['id']}/receive")
        async with asyncio.timeout(PATIENCE):
            await self._server.connected.wait()


async def _fill(system: System, service: str) -> None:
    url = (system.home.path / "secrets" / services.url_file(logins.WORKER)).read_text().strip()
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(_FILL, service, PUSHED)
        await connection.execute(
            "INSERT INTO config.outbox (key) SELECT 'mailbox ' || id FROM config.mailbox WHERE service = $1",
            service,
        )
        while await connection.fetchval("SELECT count(*) FROM config.outbox"):
            await asyncio.sleep(0.1)
    finally:
        await connection.close()


async def _pushing(api: Api, service: str, changes: Changes) -> tuple[list[float], float, int]:
    """Samples taken while the push and the publication of what it changed go on."""
    where = f"/services/{service}"
    await api.client.patch(f"/api/v1{where}", json={"imap": {"host": "imap.example.org"}})
    begun = time.perf_counter()
    push = asyncio.create_task(api.post(f"{where}/push"))
    push.add_done_callback(
        lambda _: print(f"the push answered after {time.perf_counter() - begun:.1f} s")
    )
    samples = [await changes.slowest()]
    while not push.done():
        samples.append(await changes.slowest())
    return samples, time.perf_counter() - begun, (await push)["count"]


def _told(title: str, samples: list[float]) -> None:
    print(
        f"{title}: {len(samples)} changes, p50 {statistics.median(samples) * 1000:.0f} ms,"
        f" slowest {max(samples) * 1000:.0f} ms",
        flush=True,
    )


async def _measure(system: System) -> None:
    await system.wait_ready()
    async with Api(system) as api, _Server().running() as server:
        changes = Changes(system, api, server)
        await changes.slowest()
        alone = [await changes.slowest() for _ in range(ROUNDS)]
        _told("alone", alone)
        service: Any = await api.post(
            "/services", name="House mail", imap={"host": "imap.example.net"}
        )
        await _fill(system, service["id"])
        samples, seconds, count = await _pushing(api, service["id"], changes)
        assert count == PUSHED, f"{count} mailboxes were pushed"
        _told(f"while {count} mailboxes are pushed ({seconds:.1f} s)", samples)
    print(f"the peer is the target: live within {ALONE_SECONDS:.0f} s; while pushing, 5 s")
    for title, found, limit in (
        ("pushing: ", samples, PUSHING_SECONDS),
        ("", alone, ALONE_SECONDS),
    ):
        worst = max(found)
        print(f"{title}ratio={limit / worst:.2f} ours={worst:.3f} peer={limit:.0f} unit=s")


def main() -> None:
    """Start a system, and measure."""
    with tempfile.TemporaryDirectory(prefix="postroom-bench-") as name:
        system = System(Path(name))
        system.start()
        try:
            asyncio.run(_measure(system))
        finally:
            system.stop()


if __name__ == "__main__":
    main()
