"""Mailboxes to fetch, and what came of it, without an api."""

import asyncio
from collections.abc import Sequence
from datetime import date

import msgspec

from postroom_contract import subjects
from postroom_contract.codec import ENVELOPE_HEADER, decode, encode, envelope_from_header
from postroom_contract.documents import (
    AddressDocument,
    FetchSource,
    MailboxDocument,
    address_key,
    mailbox_key,
)
from postroom_contract.events import MailboxChecked
from postroom_contract.mail import Envelope, Pointer
from postroom_contract.streams import INTAKE
from postroom_runtime import schedules
from postroom_runtime.bus import Bus
from postroom_runtime.messages import ConflictError, Found, Publication
from postroom_runtime.sealing import SealedSecret, parse_private_keys, seal
from support.dovecot import PASSWORD, USER
from support.waiting import eventually

ACCOUNT = "acc_one"
KEY = "3c" * 32
"""The fetcher's private key in `Stack`."""


def sealed(mailbox: str, source: FetchSource, password: str) -> str:
    """The password as the api would seal it for this source."""
    secret = SealedSecret(
        password=password, mailbox=mailbox, login=source.login, host=source.host,
        port=source.port, tls=source.tls, verify=source.verify,
    )  # fmt: skip
    return seal(parse_private_keys(KEY)[0].public_key, secret)


def mailbox(
    id_: str, protocol: str, port: int, *, password: str = PASSWORD, version: int = 1, active: bool = True,
    **settings: object,
) -> MailboxDocument:  # fmt: skip
    """A document with a source on this machine."""
    values = {"host": "localhost", "tls": "none", "login": USER, "sealed_password": "", **settings}
    source = FetchSource(port=port, **values)  # type: ignore[arg-type]  # a test's own words
    source = msgspec.structs.replace(source, sealed_password=sealed(id_, source, password))
    return MailboxDocument(
        id=id_, account=ACCOUNT, name=id_, kind="system", source=protocol,  # type: ignore[arg-type]  # a test's own words
        active=active, version=version, fetch=source,
    )  # fmt: skip


class Office:
    """The operator's hands on the broker."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus

    async def publish(self, *documents: MailboxDocument, address: str | None = None) -> None:
        """Publish mailboxes (and the first one's address), then the epoch."""
        for one in documents:
            await self._put(mailbox_key(one.id), one)
        if address:
            document = AddressDocument(
                address=address, account=ACCOUNT, mailbox=documents[0].id, version=1
            )
            await self._put(address_key(address), document)
        await self._put(subjects.EPOCH_KEY, {"epoch": "evt_1"})

    async def forget(self, id_: str, version: int) -> None:
        """Delete a mailbox: a document that says so."""
        gone = MailboxDocument(
            id=id_, account=ACCOUNT, name="", kind="system", source="imap", active=False,
            version=version, deleted=True,
        )  # fmt: skip
        await self._put(mailbox_key(id_), gone)

    async def _put(self, key: str, document: object) -> None:
        await self.bus.publish(Publication(subjects.config(key), encode(document), None))

    async def receive_now(self, mailbox: str, since: date | None = None) -> bool:
        """As the api's button; False: under way already."""
        try:
            await self.bus.publish(schedules.poll_now(ACCOUNT, mailbox, since), first=True)
        except ConflictError:
            return False
        return True

    async def everything(self, streams: Sequence[str]) -> list[Found]:
        """All that lies in these streams."""
        found: list[Found] = []
        for name in streams:
            state = (await self.bus.stream_info(name))["state"]
            numbers = range(state["first_seq"], state["last_seq"] + 1)
            for begin in range(0, len(numbers), 100):
                part = numbers[begin : begin + 100]
                many = await asyncio.gather(*(self.bus.get(Pointer(name, n)) for n in part))
                found.extend(one for one in many if one is not None)
        return found

    async def mails(self) -> list[tuple[Envelope, Found]]:
        """Every mail in INTAKE."""
        all_ = await self.everything([spec.name for spec in INTAKE])
        return [
            (envelope_from_header(one.headers[ENVELOPE_HEADER]), one)
            for one in all_
            if ".intake." in one.subject
        ]

    async def checks(self, mailbox: str) -> list[MailboxChecked]:
        """What was told of a mailbox, in order."""
        found = await self.everything(["EVENTS"])
        events = [
            decode(one.data, MailboxChecked) for one in found if ".mailbox.checked." in one.subject
        ]
        return [one for one in events if one.about == mailbox]

    async def next_check(self, mailbox: str, after: int, deadline: float = 30) -> MailboxChecked:
        """The check number `after` (from 0), as soon as it is there."""

        async def there() -> MailboxChecked | None:
            checks = await self.checks(mailbox)
            return checks[after] if len(checks) > after else None

        found = await eventually(there, deadline, what=f"check {after} of {mailbox}")
        assert found is not None
        return found

    async def receive(
        self, mailbox: str, deadline: float = 30, since: date | None = None
    ) -> MailboxChecked:
        """Receive now, and wait for the outcome."""
        before = len(await self.checks(mailbox))

        async def asked() -> bool:
            return await self.receive_now(mailbox, since)

        await eventually(asked, what="no check is under way")
        return await self.next_check(mailbox, before, deadline)


def letter(number: int, size: int = 0) -> bytes:
    """A mail; the same for the same number."""
    body = "".join(
        f"line {i} of {number}\r\n.dot at its begin\r\n" for i in range(max(1, size // 40))
    )
    return (
        f"Return-Path: <sender{number}@theirs.example>\r\n"
        f"From: Someone <from{number}@theirs.example>\r\nTo: alice@example.org\r\n"
        f"Subject: number {number}\r\nMessage-ID: <{number}@theirs.example>\r\n\r\n{body}"
    ).encode()
