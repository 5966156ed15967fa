"""`python -m postroom_smtp` on a real broker, under the real permissions, and a raw client."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self

from postroom import tcp_ports
from postroom.probe import get
from postroom_contract import subjects
from postroom_contract.codec import ENVELOPE_HEADER, encode, envelope_from_header
from postroom_contract.documents import DomainDocument, address_key, domain_key
from postroom_contract.mail import Envelope, Pointer
from postroom_contract.streams import INTAKE
from postroom_runtime.bus import Bus
from postroom_runtime.messages import Found, Publication
from support.buses import connected
from support.processes import Process
from support.servers import Nats
from support.smtp import ADDRESSES, FORUM, address_document
from support.waiting import eventually


class SmtpProcess:
    """Start it as often as you like; `stop` ends what runs."""

    def __init__(self, directory: Path, nats: Nats) -> None:
        self.nats = nats
        self.port = tcp_ports.choose()
        self.health_port = tcp_ports.choose(besides=(self.port,))
        self.tls_port = tcp_ports.choose(besides=(self.port, self.health_port))
        self._directory = directory
        self.process: Process | None = None

    def start(self, **settings: object) -> None:
        """Start with POSTROOM_<name> settings."""
        mine = {
            "NATS_URL": self.nats.url,
            "NATS_USER": "smtp",
            "NATS_PASSWORD": self.nats.passwords["smtp"],
            "SMTP_PORT": self.port,
            "SMTP_HOSTNAME": "mx.ours.example",
            "HEALTH_PORT": self.health_port,
            "LOG_FORMAT": "line",
            **settings,
        }
        environment = {n: v for n, v in os.environ.items() if not n.startswith("POSTROOM_")}
        environment |= {f"POSTROOM_{name}": str(value) for name, value in mine.items()}
        self.process = Process(
            [sys.executable, "-m", "postroom_smtp"], environment, self._directory / "smtp.log"
        )

    async def listening(self) -> None:
        """Return when the port is open."""

        async def asked() -> bool:
            self._still_running()
            async with self.client():
                return True

        await eventually(asked, what="the SMTP port is open")

    async def ready(self) -> None:
        """Return when /healthz/ready says so."""

        async def asked() -> bool:
            self._still_running()
            answer = await get("127.0.0.1", self.health_port, "/healthz/ready")
            return answer is not None and answer.ok

        await eventually(asked, 30, what="smtp is ready")

    async def reasons(self) -> str:
        """What /healthz/ready says."""
        answer = await get("127.0.0.1", self.health_port, "/healthz/ready")
        assert answer is not None
        return answer.body.decode()

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        return self.process.terminate() if self.process is not None else 0

    def kill9(self) -> None:
        assert self.process is not None
        self.process.kill9()

    def client(self) -> "Client":
        return Client(self.port)

    def _still_running(self) -> None:
        assert self.process is not None
        if not self.process.running:
            raise RuntimeError(f"smtp ended:\n{self.process.log[-3000:]}")


class Client:
    """A raw SMTP client: `async with Client(port) as c` has read the greeting."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.greeting = ""

    async def __aenter__(self) -> Self:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self._port)
        self.greeting = await self.reply()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def reply(self) -> str:
        """The last line of the next reply; empty when the server has closed."""
        async with asyncio.timeout(15):
            while True:
                line = (await self.reader.readline()).decode().rstrip("\r\n")
                if line[3:4] != "-":
                    return line

    async def say(self, *lines: bytes) -> str:
        """Send lines one by one; the last reply."""
        answer = ""
        for line in lines:
            self.send(line + b"\r\n")
            answer = await self.reply()
        return answer

    async def rest(self) -> list[str]:
        """All lines until the server closes."""
        async with asyncio.timeout(15):
            return (await self.reader.read()).decode().split("\r\n")[:-1]

    async def mail(
        self, recipients: Sequence[bytes], content: bytes, sender: bytes = b"x@theirs.example"
    ) -> str:
        """One transaction after EHLO; the reply to the dot, or to the RCPT that was refused."""
        answer = await self.say(b"MAIL FROM:<" + sender + b">")
        for one in recipients:
            answer = await self.say(b"RCPT TO:<" + one + b">")
            if not answer.startswith("250"):
                await self.say(b"RSET")
                return answer
        await self.say(b"DATA")
        self.send(content + b".\r\n")
        return await self.reply()


async def configure(nats: Nats, *, epoch: bool = True) -> None:
    """Publish what the api would: ours.example, its addresses and forum, the epoch key."""
    async with connected(nats, "api") as bus:
        documents = [(address_key(one), address_document(one)) for one in (*ADDRESSES, FORUM)]
        domain = DomainDocument(domain="ours.example", account="acc_one", version=1)
        for key, document in (*documents, (domain_key("ours.example"), domain)):
            await bus.publish(Publication(subjects.config(key), encode(document), None))
        if epoch:
            await publish_epoch(bus)


async def publish_epoch(bus: Bus) -> None:
    where = subjects.config(subjects.EPOCH_KEY)
    await bus.publish(Publication(where, encode({"epoch": "evt_1"}), None))


@asynccontextmanager
async def looking(nats: Nats) -> AsyncIterator[Bus]:
    """A bus that may read everything."""
    async with connected(nats, "operator") as bus:
        yield bus


async def stored(nats: Nats) -> list[tuple[Envelope, Found]]:
    """Every mail in INTAKE."""
    found = []
    async with looking(nats) as bus:
        for spec in INTAKE:
            state = (await bus.stream_info(spec.name))["state"]
            for sequence in range(state["first_seq"], state["last_seq"] + 1):
                one = await bus.get(Pointer(spec.name, sequence))
                if one is not None:
                    found.append((envelope_from_header(one.headers[ENVELOPE_HEADER]), one))
    return found
