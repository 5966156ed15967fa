"""What lies on the disk of a home: its broker and its database, read while no service runs."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.parser import BytesHeaderParser

from postroom.config import Settings
from postroom.embedded import logins
from postroom.embedded.nats import OPERATOR
from postroom.foundation import Foundation
from postroom.keeper import Part
from postroom_contract import streams
from postroom_contract.codec import ENVELOPE_HEADER, decode, envelope_from_header
from postroom_contract.commands import DeliverChunk, OutboxMail, Progress
from postroom_contract.mail import Pointer
from postroom_runtime.bus import Bus
from postroom_runtime.messages import Found
from support.operator import broker_at
from support.processes import Process
from support.servers import ready
from support.system import System

Copy = tuple[str, str]
"""Message-ID and recipient."""


@dataclass(frozen=True)
class Stored:
    """One look at everything that must outlive a power cut."""

    mails: set[str]
    """INTAKE: the SHA-256 of what came between DATA and the dot, of every mail that is whole."""
    outbox: dict[str, OutboxMail]
    chunks: list[DeliverChunk]
    progress: list[Progress]
    members: set[str]
    posts: set[str]
    delivered: set[Copy]
    """Copies that Postgres holds for delivered."""

    def missing_outbox(self) -> set[str]:
        """Rendered mails that a command speaks of and that are not there."""
        return {chunk.outbox for chunk in self.chunks} - self.outbox.keys()

    def progressed(self) -> set[Copy]:
        """Copies that PROGRESS holds for delivered; KeyError for one that nobody asked for."""
        copies = {
            one.serial: (self.outbox[chunk.outbox].message_id, one.address)
            for chunk in self.chunks
            for one in chunk.recipients
        }
        return {
            copies[serial]
            for progress in self.progress
            for serial, state in progress.done.items()
            if state == "delivered"
        }


async def look(system: System) -> Stored:
    """Start the home's broker and database alone, read them, and stop them again."""
    settings = Settings.from_environment(system.environment)
    foundation = await Foundation.prepare(system.home, settings)
    async with (
        _running(foundation.nats_part(), system),
        _running(foundation.postgres_part(), system),
        broker_at(foundation.nats.url, foundation.nats.passwords[OPERATOR]) as bus,
    ):
        return await _read(bus, foundation)


@asynccontextmanager
async def _running(part: Part, system: System) -> AsyncIterator[None]:
    """Run a part of the foundation as it is: nothing is made that is not there."""
    command = part.command()
    process = Process(
        command.argv,
        command.environment,
        system.directory / f"look-{part.name}.log",
        identity=command.identity,
        stop_signal=command.stop_signal,
    )
    try:
        await ready(process, part.until_ready())
        yield
    finally:
        process.terminate()


async def _read(bus: Bus, foundation: Foundation) -> Stored:
    intake = [found for spec in streams.INTAKE for found in await _messages(bus, spec.name)]
    commands = await _messages(bus, "COMMANDS")
    outbox = [decode(found.data, OutboxMail) for found in await _messages(bus, "OUTBOX")]
    database = await foundation.postgres.connect(logins.DATABASE)
    try:
        members = await database.fetch("SELECT id FROM forum.member")
        posts = await database.fetch("SELECT id FROM forum.post WHERE NOT placeholder")
        delivered = await database.fetch(
            "SELECT p.message_id, d.address FROM forum.delivery d JOIN forum.post p ON p.id = d.post"
            " WHERE d.state = 'delivered'"
        )
    finally:
        await database.close()
    return Stored(
        mails={_digest(found) for found in intake if ".intake." in found.subject},
        outbox={mail.id: mail for mail in outbox},
        chunks=[decode(f.data, DeliverChunk) for f in commands if ".smtp.deliver." in f.subject],
        progress=[decode(found.data, Progress) for found in await _messages(bus, "PROGRESS")],
        members={row[0] for row in members},
        posts={row[0] for row in posts},
        delivered={(row[0], row[1]) for row in delivered},
    )


async def _messages(bus: Bus, stream: str) -> list[Found]:
    """Every message of a stream, first to last."""
    state = (await bus.stream_info(stream))["state"]
    found = [
        await bus.get(Pointer(stream, sequence))
        for sequence in range(state["first_seq"], state["last_seq"] + 1)
    ]
    return [one for one in found if one is not None]


def _digest(found: Found) -> str:
    """What its envelope promises, after a look at whether its bytes keep it."""
    envelope = envelope_from_header(found.headers[ENVELOPE_HEADER])
    content = found.data[-envelope.size :]
    assert hashlib.sha256(content).hexdigest() == envelope.sha256, f"{envelope.id} is damaged"
    return envelope.sha256


def message_id(raw: bytes) -> str:
    """The Message-ID of a mail, without its angle brackets."""
    return str(BytesHeaderParser().parsebytes(raw)["Message-ID"]).strip().strip("<>")
