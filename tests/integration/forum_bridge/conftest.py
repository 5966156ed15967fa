"""A forum-bridge under its own permissions, and those it talks to: rules, smtp and the api."""

import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

import asyncpg
import pytest

from postroom_contract import commands, events, forum, subjects
from postroom_contract.codec import ENVELOPE_HEADER, decode, encode, envelope_to_header
from postroom_contract.commands import Command, DeliverChunk, MailReference, OutboxMail, PostMail
from postroom_contract.ids import derived_id
from postroom_contract.mail import Envelope, Pointer
from postroom_contract.streams import FORUM_COMMANDS
from postroom_mail.tokens import parse_keys
from postroom_runtime.bus import Bus
from postroom_runtime.messages import Found, Publication
from postroom_runtime.settings import Settings
from support.buses import worked_off
from support.stack import Stack
from support.waiting import eventually

A = TypeVar("A")
ACCOUNT = "acc_test"
FORUM = "frm_garden"
ADDRESS = "garden@example.org"
MAILBOX = "mbx_garden"
KEYS = parse_keys("1:" + "5a" * 32)
RECEIVED = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def raw_mail(subject: str, message_id: str | None, sender: str, text: str, **headers: str) -> bytes:
    lines = [f"From: {sender}", f"To: {ADDRESS}", f"Subject: {subject}"]
    if message_id:
        lines.append(f"Message-ID: <{message_id}>")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join([*lines, "", text]) + "\r\n").encode()


@dataclass
class Bench:
    """The other side of a forum-bridge."""

    stack: Stack
    buses: dict[str, Bus] = field(default_factory=dict)
    keys = KEYS

    async def bus(self, user: str) -> Bus:
        if user not in self.buses:
            bus = Bus.create(user)
            environment = {
                "POSTROOM_NATS_URL": self.stack.nats.url,
                "POSTROOM_NATS_PASSWORD": self.stack.nats.passwords[user],
            }
            await bus.connect(Settings(environment), pytest.fail)
            self.buses[user] = bus
        return self.buses[user]

    async def close(self) -> None:
        for bus in self.buses.values():
            await bus.close()

    async def ask(self, request: forum.Request[A]) -> A:
        bus = await self.bus("api")
        subject = subjects.rpc(request.service, request.verb)
        answer: A = await bus.request(subject, request, request.answer, 4)
        return answer

    async def make_forum(self, *members: str, name: str = FORUM, address: str = ADDRESS) -> None:
        await self.ask(forum.CreateForum(account=ACCOUNT, id=name, name="Garden", address=address))
        await self.ask(forum.OpenForum(account=ACCOUNT, id=name))
        for member in members:
            await self.ask(forum.AddMember(account=ACCOUNT, forum=name, email=member))

    async def deliver(
        self, raw: bytes, sender: str = "ann@example.net", *, history: bool = False
    ) -> MailReference:
        """What smtp does: the mail lies in INTAKE."""
        digest = hashlib.sha256(raw).hexdigest()
        envelope = Envelope(
            id=derived_id("msg", MAILBOX, digest), account=ACCOUNT, mailbox=MAILBOX, role="post",
            recipient=ADDRESS, sender=sender, received_at=RECEIVED, sha256=digest, size=len(raw),
            source="smtp", transaction="txn_1", forum=FORUM, history=history,
        )  # fmt: skip
        subject = subjects.intake(subjects.intake_shard(MAILBOX), ACCOUNT, MAILBOX)
        headers = {ENVELOPE_HEADER: envelope_to_header(envelope)}
        stored = await (await self.bus("smtp")).publish(
            Publication(subject, raw, envelope.id, headers)
        )
        where = Pointer(stored.stream, stored.sequence)
        return MailReference(id=envelope.id, mailbox=MAILBOX, raw=where, envelope_sender=sender)

    async def command(self, command: Command, again: str = "") -> None:
        """What rules does. `again` makes the broker take a repetition for a new message."""
        await (await self.bus("operator")).publish(
            Publication(commands.subject_of(command), encode(command), command.id + again)
        )

    async def post(
        self,
        subject: str,
        message_id: str | None = None,
        text: str = "Hello",
        sender: str = "Ann <ann@example.net>",
        token: str | None = None,
        *,
        history: bool = False,
        **headers: str,
    ) -> PostMail:
        raw = raw_mail(subject, message_id, sender, text, **headers)
        return await self.post_raw(raw, sender.partition("<")[2].strip(">"), token, history=history)

    async def post_raw(
        self,
        raw: bytes,
        sender: str,
        token: str | None = None,
        charset: str = "",
        *,
        history: bool = False,
    ) -> PostMail:
        """What rules does with a mail for the forum."""
        mail = await self.deliver(raw, sender, history=history)
        command = PostMail(
            id=derived_id("cmd", mail.id, "post", FORUM), account=ACCOUNT, correlation=mail.id,
            causation=mail.id, forum=FORUM, mail=mail, token=token, charset=charset,
        )  # fmt: skip
        await self.command(command)
        return command

    async def stored(self, stream: str, wanted: Callable[[str], bool]) -> list[Found]:
        """Every message of a stream whose subject is wanted, in order."""
        bus = await self.bus("operator")
        state = (await bus.stream_info(stream))["state"]
        found = []
        for sequence in range(state["first_seq"], state["last_seq"] + 1):
            one = await bus.get(Pointer(stream, sequence))
            if one and wanted(one.subject):
                found.append(one)
        return found

    async def chunks(self) -> list[DeliverChunk]:
        found = await self.stored("COMMANDS", lambda subject: ".smtp.deliver." in subject)
        return [decode(one.data, DeliverChunk) for one in found]

    async def outbox(self) -> list[OutboxMail]:
        return [decode(one.data, OutboxMail) for one in await self.stored("OUTBOX", lambda _: True)]

    async def events(self, name: str) -> list[events.Event]:
        found = await self.stored("EVENTS", lambda subject: f".{name}." in subject)
        return [decode(one.data, events.Event) for one in found]

    async def dead(self) -> list[Found]:
        return await self.stored("DEAD", lambda _: True)

    async def topics(self, name: str = FORUM) -> tuple[forum.Topic, ...]:
        return (await self.ask(forum.ListTopics(account=ACCOUNT, forum=name))).data

    async def posts(self, topic: str) -> tuple[forum.Post, ...]:
        page = forum.Page(limit=200)
        return (await self.ask(forum.ListPosts(account=ACCOUNT, topic=topic, page=page))).data

    async def settled(self, posts: int) -> None:
        """Wait until so many posts have been announced and nothing waits in the outbox."""

        async def done() -> bool:
            announced = len(await self.events("post.created"))
            return announced >= posts and await self.sql("SELECT count(*) FROM forum.outbox") == 0

        await eventually(done, 60, what=f"{posts} posts are out")

    async def idle(self) -> None:
        """Wait until every command for the forum-bridge was handled."""

        async def done() -> bool:
            return await worked_off(await self.bus("operator"), FORUM_COMMANDS)

        await eventually(done, 60, what="the commands are handled")

    async def sql(self, query: str, *values: object) -> object:
        """One statement as superuser; its first value."""
        connection = await asyncpg.connect(self.stack.database.super_url)
        try:
            if not values and not query.startswith("SELECT"):
                return await connection.execute(query)  # may be several statements
            return await connection.fetchval(query, *values)
        finally:
            await connection.close()


@pytest.fixture
async def bench(stack: Stack) -> AsyncIterator[Bench]:
    made = Bench(stack)
    yield made
    await made.close()
