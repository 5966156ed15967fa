"""Spam filters over a real broker: taught, followed, kept as snapshots, and folded anew."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from postroom_contract import subjects
from postroom_contract.codec import ENVELOPE_HEADER, decode, encode, envelope_to_header
from postroom_contract.commands import MailReference, TrainMail
from postroom_contract.mail import Envelope, Pointer
from postroom_contract.training import ModelSnapshot, Training
from postroom_mail.read import framed
from postroom_rules import models
from postroom_rules.domain.spam_tokens import MailAndTokens, read_framed_with_tokens
from postroom_rules.models import Models
from postroom_rules.teaching import Teaching
from postroom_runtime.bus import Bus
from postroom_runtime.errors import RefusedError
from postroom_runtime.messages import Publication
from support.buses import connected
from support.servers import Nats
from support.waiting import eventually

ACCOUNT, BOX = "acc_a", "mbx_a"
AT = datetime(2026, 11, 30, tzinfo=UTC)


async def read(raw: bytes, charset: str, *, tokens: bool) -> MailAndTokens:
    assert tokens
    return read_framed_with_tokens(framed(raw, charset))


async def arrived(smtp: Bus, name: str, text: str) -> MailReference:
    """A mail in INTAKE."""
    raw = f"From: a@example.net\r\nSubject: {text}\r\n\r\n{text}\r\n".encode()
    envelope = Envelope(
        id=name, account=ACCOUNT, mailbox=BOX, role="mail", recipient="b@example.org",
        sender="a@example.net", received_at=AT, sha256="", size=len(raw), source="smtp",
        transaction="txn_1",
    )  # fmt: skip
    headers = {ENVELOPE_HEADER: envelope_to_header(envelope)}
    subject = subjects.intake(subjects.intake_shard(BOX), ACCOUNT, BOX)
    stored = await smtp.publish(Publication(subject, raw, name, headers))
    where = Pointer(stored.stream, stored.sequence)
    return MailReference(id=name, mailbox=BOX, raw=where, envelope_sender="a@example.net")


def command(mail: MailReference, spam: bool | None, later: int = 0) -> TrainMail:
    return TrainMail(
        id=f"cmd_{mail.id}_{later}", account=ACCOUNT, correlation=mail.id, causation=mail.id,
        mail=mail, spam=spam, by="usr_a", at=AT + timedelta(seconds=later),
    )  # fmt: skip


@asynccontextmanager
async def following(bus: Bus) -> AsyncIterator[Models]:
    made = Models(bus)
    task = asyncio.create_task(made.run())
    await eventually(lambda: made.trouble is None)
    try:
        yield made
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_mail_holds_what_was_taught_last_and_keeps_its_tokens(nats_server: Nats) -> None:
    async with connected(nats_server, "smtp") as smtp, connected(nats_server, "rules") as rules:
        teaching = Teaching(rules, read)
        mail = await arrived(smtp, "msg_1", "cheap pills")

        async def held() -> Training:
            found = await rules.last("TRAIN", subjects.train(ACCOUNT, mail.id))
            assert found is not None
            return decode(found.data, Training)

        await teaching.teach(command(mail, None))
        assert await rules.last("TRAIN", subjects.train(ACCOUNT, mail.id)) is None
        await teaching.teach(command(mail, True, 2))
        first = await held()
        assert (first.spam, first.by) == (True, "usr_a")
        await teaching.teach(command(mail, False, 1))
        assert (await held()).spam is True, "an older command changes nothing"
        gone = MailReference(
            id=mail.id, mailbox=BOX, raw=Pointer("INTAKE_0", 999), envelope_sender=""
        )
        await teaching.teach(command(gone, False, 3))
        assert ((await held()).spam, (await held()).tokens) == (False, first.tokens)
        await teaching.teach(command(gone, None, 4))
        assert (await held()).spam is None
        other = MailReference(id="msg_other", mailbox=BOX, raw=mail.raw, envelope_sender="")
        with pytest.raises(RefusedError, match="no longer there"):
            await teaching.teach(command(other, True, 5))


async def test_filters_are_followed_and_their_snapshots_go_on(
    nats_server: Nats, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "SNAPSHOT_EVERY", 5)
    async with connected(nats_server, "smtp") as smtp, connected(nats_server, "rules") as rules:
        teaching = Teaching(rules, read)
        mails = [await arrived(smtp, f"msg_{n}", f"cheap pills {n}") for n in range(12)]
        for mail in mails[:3]:
            await teaching.teach(command(mail, True))
        async with following(rules) as mine, following(rules) as yours:
            filter_ = await mine.of(ACCOUNT)
            assert (filter_.model.spam, filter_.model.ham) == (3, 0)
            assert (await mine.of("acc_other")).model.spam == 0
            for mail in mails[3:]:
                await teaching.teach(command(mail, False))
            await teaching.teach(command(mails[0], None, 1))
            await eventually(lambda: filter_.model.ham == 9, what="what is taught is followed")
            await eventually(lambda: filter_.model.spam == 2, what="what is forgotten too")
            late = await yours.of(ACCOUNT)
            assert late.snapshot(ACCOUNT) == filter_.snapshot(ACCOUNT)

        async def kept() -> ModelSnapshot:
            found = await rules.last("MODELS", subjects.model(ACCOUNT))
            assert found is not None
            return decode(found.data, ModelSnapshot)

        snapshot = await eventually(kept, what="a snapshot is left")
        # It goes on from the snapshot: what it counts already is not read again.
        async with connected(nats_server, "operator") as operator:
            await operator.ask("$JS.API.STREAM.PURGE.TRAIN", b"{}")
        await teaching.teach(command(mails[1], False, 2))
        async with following(rules) as again:
            resumed = await again.of(ACCOUNT)
            assert resumed.sequence > snapshot.sequence
            assert resumed.model.spam + resumed.model.ham == len(snapshot.taught) // 9
        # One of another version, or broken, costs time alone.
        broken = ModelSnapshot(account=ACCOUNT, sequence=9_999, form=0, taught=b"", model=b"x")
        await rules.publish(Publication(subjects.model(ACCOUNT), encode(broken), None))
        async with following(rules) as anew:
            folded = await anew.of(ACCOUNT)
            assert (folded.model.spam, folded.model.ham) == (0, 1)
