"""The disk of the home is full: mail is put off, and taken again when there is room, by itself."""

import asyncio
import base64
import contextlib
import os
import smtplib
from collections.abc import AsyncIterator

import pytest

from support.client import Api
from support.powercut import Disk
from support.sink import Sink
from support.system import System
from support.waiting import eventually

GARDEN, ANNA = "garden@example.org", "anna@example.net"
OCTETS = 4_000_000
LEFT = 60_000_000
"""Bytes left on the disk: room for some of the mails."""


@pytest.fixture
async def on_disk(disk: Disk, tmp_path, sink: Sink) -> AsyncIterator[System]:
    made = System(tmp_path, {"POSTROOM_RELAY": sink.relay})
    try:
        made.start()
        await made.wait_ready()
        yield made
    finally:
        made.stop()


def mail(number: int) -> bytes:
    head = (
        f"From: {ANNA}\r\nTo: {GARDEN}\r\nSubject: mail-{number}\r\nMessage-ID: <{number}@example.net>\r\n"
        "Date: Mon, 23 Nov 2026 12:00:00 +0000\r\nMIME-Version: 1.0\r\n"
        "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    )
    content = base64.encodebytes(os.urandom(OCTETS)).replace(b"\n", b"\r\n")
    return head.encode() + content


async def sent(system: System, number: int) -> int:
    """The code of the answer; 0: there was none."""

    def try_it() -> int:
        try:
            with smtplib.SMTP("127.0.0.1", system.smtp_port, timeout=30) as client:
                client.sendmail(ANNA, [GARDEN], mail(number))
        except (smtplib.SMTPDataError, smtplib.SMTPSenderRefused) as error:
            return error.smtp_code
        except smtplib.SMTPRecipientsRefused as error:
            return next(iter(error.recipients.values()))[0]
        except (OSError, smtplib.SMTPException):
            return 0
        return 250

    return await asyncio.to_thread(try_it)


async def test_what_is_put_off_by_a_full_disk_is_taken_when_there_is_room(
    disk: Disk, on_disk: System
) -> None:
    async with Api(on_disk) as api:
        await api.forum("Garden", GARDEN, "ben@example.com")
        filler = disk.mount_point / "filler"
        space = os.statvfs(disk.mount_point)
        with filler.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, space.f_bfree * space.f_frsize - LEFT)
        accepted = 0
        while (code := await sent(on_disk, accepted)) == 250:
            accepted += 1
            assert accepted < 2 * LEFT // OCTETS, "the disk is never full"
        assert code // 100 == 4, code

        filler.unlink()

        async def taken() -> bool:
            return await sent(on_disk, accepted) == 250

        await eventually(taken, 90, what="mail is taken again")
        owed = {f"mail-{number}" for number in range(accepted + 1)}

        async def listed() -> bool:
            with contextlib.suppress(Exception):  # the page is away as long as its database is
                return {row["subject"] for row in await api.all("/messages")} == owed
            return False

        await eventually(listed, 60, what="every accepted mail is in the log")
