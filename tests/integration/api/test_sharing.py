"""Sharing: levels, dates, who may, and who read what."""

import datetime as dt
from typing import Any

import asyncpg
import msgspec
import pytest

from postroom_api.domain.mail_services import ServiceServer, ServiceSettings
from postroom_api.domain.mailbox_settings import Mailbox, MailboxSettings, Source
from postroom_api.domain.sharing import NewShare
from postroom_api.domain.values import Principal
from postroom_api.http.office_api import editable
from postroom_api.http.problems import ProblemError
from postroom_api.postgres.log import Log
from postroom_contract.codec import decode
from postroom_contract.events import Event
from postroom_contract.rules import Group, SetImportance
from postroom_contract.schema import DIRECTORY
from postroom_runtime.clock import Clock

RULE = ("x", Group(mode="all", of=()), [SetImportance("high")])


async def mailbox_of(desks: Any, who: Principal) -> Mailbox:
    service = await desks.catalogue.add(
        desks.admin, ServiceSettings(name="Ours", imap=ServiceServer(host="imap.example.org"))
    )
    await desks.catalogue.permit(desks.admin, service.id)
    source = Source(type="imap", login="me", password="s3cret")
    return await desks.office.add_mailbox(
        who, MailboxSettings(name="Mine", kind="user", service=service.id, source=source)
    )


async def refused(step: Any) -> tuple[int, str]:
    with pytest.raises(ProblemError) as found:
        await step
    return found.value.status, found.value.code


async def test_a_sharer_does_what_their_level_says(desks, somebody) -> None:
    anna, ben = await somebody("anna"), await somebody("ben")
    box = await mailbox_of(desks, anna)
    (share,) = await desks.sharing.share(anna, box.id, NewShare(person="BEN@example.org"))
    assert (share.person, share.name, share.level) == (ben.id, "Ben", "read")
    seen = await desks.office.mailbox(ben, box.id)
    assert seen.access == "read"
    settings = msgspec.convert(editable(seen), type=MailboxSettings)
    for step in (
        desks.office.change_mailbox(ben, box.id, settings),
        desks.office.add_rule(ben, box.id, *RULE),
        desks.office.receive_now(ben, box.id),
        desks.office.switch_mailbox(ben, box.id, active=False),
        desks.office.delete_mailbox(ben, box.id),
        desks.sharing.share(ben, box.id, NewShare(person=ben.id, level="manage")),
        desks.sharing.unshare(ben, box.id, ben.id),
    ):
        assert await refused(step) == (403, "read_only")
    await desks.sharing.share(anna, box.id, NewShare(person=ben.id, level="manage"))
    renamed = msgspec.structs.replace(settings, name="Ours now")
    assert (await desks.office.change_mailbox(ben, box.id, renamed)).owner.id == anna.id
    made = await desks.office.add_rule(ben, box.id, *RULE)
    await desks.office.delete_rule(ben, made.id)
    assert await refused(desks.office.delete_mailbox(ben, box.id)) == (403, "read_only")
    assert await refused(desks.office.add_rule(ben, None, *RULE)) == (403, "administrators_only")
    await desks.sharing.unshare(anna, box.id, ben.id)
    assert await refused(desks.office.mailbox(ben, box.id)) == (404, "not_found")


async def test_a_share_ends_with_its_date_and_with_a_new_owner(desks, somebody) -> None:
    anna, ben, cleo = await somebody("anna"), await somebody("ben"), await somebody("cleo")
    box = await mailbox_of(desks, anna)
    now = Clock().now()
    for wrong in (
        NewShare(person=ben.id, until=now - dt.timedelta(seconds=1)),
        NewShare(person=ben.id, until=dt.datetime(2099, 1, 1)),  # noqa: DTZ001 - it has no zone
        NewShare(person=anna.id),
        NewShare(person="nobody@example.org"),
    ):
        assert (await refused(desks.sharing.share(anna, box.id, wrong)))[0] == 422
    await desks.sharing.share(
        anna, box.id, NewShare(person=ben.id, until=now + dt.timedelta(days=1))
    )
    assert (await desks.office.mailbox(ben, box.id)).access == "read"
    async with desks.worker.database.transaction() as connection:
        await connection.execute("UPDATE config.mailbox_share SET until = now() - interval '1 s'")
    assert (await refused(desks.office.mailbox(ben, box.id)))[0] == 404
    await desks.sharing.share(desks.admin, box.id, NewShare(person=ben.id))
    plain = editable(box) | {"owner": cleo.id}
    await desks.office.change_mailbox(
        desks.admin, box.id, msgspec.convert(plain, type=MailboxSettings)
    )
    assert await desks.sharing.shares(cleo, box.id) == []


async def test_nobody_shares_what_is_not_theirs_not_even_by_sql(desks, somebody) -> None:
    anna, ben = await somebody("anna"), await somebody("ben")
    stranger = await somebody("stranger", "account_administrator", "acc_other")
    box = await mailbox_of(desks, anna)
    step = desks.sharing.share(anna, box.id, NewShare(person=stranger.email))
    assert (await refused(step))[0] == 422, "not beyond the account"
    for who in (ben, stranger):
        assert (await refused(desks.sharing.shares(who, box.id)))[0] == 404
        async with desks.access.principal(who) as connection:
            assert await connection.fetch(
                "SELECT * FROM config.colleagues(ARRAY['usr_anna', 'usr_stranger'])"
            )
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(
                    "INSERT INTO config.mailbox_share VALUES ($1, $2, 'acc_x', 'manage', $2)",
                    box.id, who.id,
                )  # fmt: skip
    async with desks.access.principal(ben) as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(
                "INSERT INTO config.mailbox_share VALUES ($1, $2, $3, 'manage', $2)",
                box.id, ben.id, ben.account,
            )  # fmt: skip


async def test_who_reads_anothers_mail_is_noted_once_a_day(desks, somebody) -> None:
    anna, ben = await somebody("anna"), await somebody("ben")
    box = await mailbox_of(desks, anna)
    await desks.sharing.share(anna, box.id, NewShare(person=ben.id))
    sample = (DIRECTORY.parent / "samples" / "event.mail.sorted.v1.json").read_bytes()
    decode(sample, Event)  # type: ignore[arg-type]
    async with desks.worker.database.transaction() as connection:
        await connection.execute(
            "INSERT INTO config.message (id, account, mailbox, received_at, recipient,"
            " envelope_sender, from_name, from_address, subject, size, importance, stream,"
            " sequence, event) VALUES ('msg_1', $1, $2, now(), '', '', '', '', '', 1, 'normal',"
            " 'INTAKE_0', 1, $3)",
            anna.account, box.id, sample.decode(),
        )  # fmt: skip
    log = Log(desks.access)
    for who in (anna, ben, ben, desks.admin, anna):
        assert await log.message(who, "msg_1") is not None
    async with desks.access.principal(desks.admin) as connection:
        rows = await connection.fetch(
            "SELECT person, about FROM config.audit WHERE action = 'message.read' ORDER BY id"
        )
    assert [tuple(row) for row in rows] == [(ben.id, "msg_1"), (desks.admin.id, "msg_1")]
