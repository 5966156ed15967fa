"""The broker's disk is full: senders hear "come again"; with room again and the broker started anew,
mail is taken, and what had 250 is there.
"""

import os
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from support.powercut import Disk
from support.servers import Nats
from support.smtp_process import SmtpProcess, configure, stored
from support.waiting import eventually

MAIL = 6_000_000
LEFT = 48_000_000
"""Bytes left on the disk: room for some of the mails."""


@pytest.fixture
async def nats_on_disk(disk: Disk) -> AsyncIterator[Nats]:
    server = Nats(disk.mount_point)
    try:
        await server.start_again()
        await server.provision()
        yield server
    finally:
        server.stop()


def content(number: int) -> bytes:
    head = f"Message-ID: <{number}@theirs.example>\r\nDate: Mon, 23 Nov 2026 12:00:00 +0000\r\n\r\n"
    lines = (os.urandom(35).hex() for _ in range(MAIL // 72))  # nothing that compresses to little
    return head.encode() + "\r\n".join(lines).encode() + b"\r\n"


async def answer(smtp: SmtpProcess, number: int) -> str:
    async with smtp.client() as one:
        await one.say(b"EHLO theirs.example")
        return await one.mail([b"a@ours.example"], content(number))


async def test_a_full_disk_puts_mail_off_and_loses_none(disk, nats_on_disk, tmp_path) -> None:
    smtp = SmtpProcess(tmp_path, nats_on_disk)
    try:
        await configure(nats_on_disk)
        smtp.start()
        await smtp.ready()
        filler = disk.mount_point / "filler"
        space = os.statvfs(disk.mount_point)
        with filler.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, space.f_bfree * space.f_frsize - LEFT)
        accepted: list[int] = []
        while (said := await answer(smtp, len(accepted))).startswith("250"):
            accepted.append(len(accepted))
            assert len(accepted) < 2 * LEFT // MAIL, "the disk is never full"
        put_off = len(accepted)
        assert accepted
        # No word comes from a broker that cannot write: it is known to be full by its silence.
        assert said[:9] in {"451 4.3.0", "452 4.3.1"}

        filler.unlink()

        # A stream of nats-server 2.15.1 that could not write does not try again until it is started.
        nats_on_disk.stop()
        await nats_on_disk.start_again()

        async def taken() -> bool:
            with suppress(OSError, TimeoutError):
                return (await answer(smtp, put_off)).startswith("250")
            return False

        await eventually(taken, 60, what="mail is taken again")
        have = [found.data.split(b"Message-ID: <")[1] for _, found in await stored(nats_on_disk)]
        assert sorted(int(one.partition(b"@")[0]) for one in have) == [*accepted, put_off]
    finally:
        smtp.stop()
