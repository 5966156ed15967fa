"""What breaks, and that nothing is lost or doubled by it."""

import time

import asyncpg
import msgspec
import pytest

from postroom_contract import forum
from postroom_contract.codec import decode
from postroom_contract.commands import Redo, SetAside
from postroom_contract.forum import Problem
from postroom_contract.mail import Pointer
from postroom_runtime.messages import AnsweredError
from support.waiting import eventually

POISON = """
    CREATE FUNCTION forum.poison() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF NEW.subject = 'Poison' THEN RAISE EXCEPTION 'poisoned'; END IF; RETURN NEW; END $$;
    CREATE TRIGGER poison BEFORE INSERT OR UPDATE ON forum.post
        FOR EACH ROW EXECUTE FUNCTION forum.poison()
"""


def redo_of(entry, number):
    found = decode(entry.data, SetAside)
    return Redo(
        id=f"cmd_redo{number}", account=found.account, correlation=found.id, causation=found.id,
        service="forum-bridge", dead=found.id, original=Pointer("DEAD", entry.sequence),
    )  # fmt: skip


async def test_a_poison_mail_is_set_aside_and_redone_once(bench):
    await bench.stack.start("forum-bridge")
    await bench.make_forum("ben@example.net")
    await bench.sql(POISON)
    await bench.post("Poison", "p@x.example")
    await bench.post("Beans", "a@x.example")
    await bench.settled(1)

    (entry,) = await eventually(bench.dead, 60, what="the mail is set aside")
    assert "poisoned" in decode(entry.data, SetAside).reason
    await bench.post("Peas", "b@x.example")
    await bench.settled(2)
    assert len(await bench.chunks()) == 2

    await bench.sql("DROP TRIGGER poison ON forum.post")
    await bench.command(redo_of(entry, 1))
    await bench.settled(3)
    await bench.command(redo_of(entry, 2))
    await bench.idle()

    assert {topic.title for topic in await bench.topics()} == {"Beans", "Peas", "Poison"}
    assert len(await bench.chunks()) == 3
    assert len(await bench.dead()) == 1


async def test_a_command_whose_pointer_holds_another_mail_is_set_aside(bench):
    await bench.stack.start("forum-bridge")
    await bench.make_forum("ben@example.net")
    command = await bench.post("Beans", "a@x.example")
    await bench.settled(1)
    wrong = msgspec.structs.replace(command.mail, id="msg_other")
    await bench.command(msgspec.structs.replace(command, id="cmd_wrong", mail=wrong))
    gone = msgspec.structs.replace(wrong, raw=Pointer(command.mail.raw.stream, 999))
    await bench.command(msgspec.structs.replace(command, id="cmd_gone", mail=gone))
    await bench.command(msgspec.structs.replace(command, id="cmd_forum", forum="frm_none"))

    entries = await eventually(lambda: three(bench), what="three are set aside")
    reasons = sorted(decode(entry.data, SetAside).reason for entry in entries)
    assert "holds another mail" in reasons[0]
    assert "no longer there" in reasons[1]
    assert "no forum" in reasons[2]


async def three(bench):
    entries = await bench.dead()
    return entries if len(entries) == 3 else None


async def test_killed_between_commit_and_fanout_it_mails_once_after_the_restart(bench):
    (handle,) = await bench.stack.start("forum-bridge")
    await bench.make_forum("ben@example.net", "cora@example.com")
    await bench.settled(0)
    # With its lock taken the relay publishes nothing; the transaction of the post is not kept up.
    holder = await asyncpg.connect(bench.stack.database.super_url)
    await holder.execute("SELECT pg_advisory_lock(hashtext('relay forum.outbox'))")
    await bench.post("Beans", "a@x.example")

    async def committed():
        return await bench.sql("SELECT count(*) FROM forum.delivery") == 2

    await eventually(committed)
    handle.kill9()
    assert await bench.chunks() == []
    await holder.close()

    await bench.stack.start("forum-bridge")
    await bench.settled(1)
    await bench.idle()
    assert len(await bench.outbox()) == 1
    to = sorted(one.address for chunk in await bench.chunks() for one in chunk.recipients)
    assert to == ["ben@example.net", "cora@example.com"]


async def test_killed_after_publishing_it_publishes_the_same_again(bench):
    await bench.stack.start("forum-bridge")
    await bench.make_forum("ben@example.net", "cora@example.com")
    await bench.post("Beans", "a@x.example")
    await bench.settled(1)

    # The row as it is left by a process that dies between the last ack and the commit.
    await bench.sql("INSERT INTO forum.outbox (key) SELECT 'post ' || id FROM forum.post")
    await bench.settled(1)
    assert (len(await bench.outbox()), len(await bench.chunks())) == (1, 2)
    assert len(await bench.events("post.created")) == 1


async def test_a_frozen_postgres_is_said_in_time_and_forgotten_when_it_is_back(bench):
    await bench.stack.start("forum-bridge")
    await bench.make_forum("ben@example.net")
    postgres = bench.stack.postgres.process
    postgres.sigstop()
    try:
        for _ in range(3):
            begun = time.monotonic()
            with pytest.raises(AnsweredError) as caught:
                await bench.topics()
            assert time.monotonic() - begun < 4
            assert decode(caught.value.payload, Problem).code == "unavailable"
        await bench.post("Beans", "a@x.example")
    finally:
        postgres.sigcont()
    begun = time.monotonic()
    await eventually(lambda: recovered(bench), 5)
    await bench.settled(1)
    assert len(await bench.chunks()) == 1
    assert await bench.dead() == []


async def recovered(bench):
    try:
        await bench.ask(forum.ListForums(account="acc_test"))
    except AnsweredError:
        return False
    return True


async def test_the_broker_gone_and_back_needs_no_restart(bench):
    await bench.stack.start("forum-bridge")
    await bench.make_forum("ben@example.net")
    command = await bench.post("Beans", "a@x.example")
    await bench.settled(1)
    bench.stack.nats.process.kill9()
    await bench.stack.nats.start_again()

    async def connected():
        return all(bus.trouble is None for bus in bench.buses.values())

    await eventually(connected)
    await bench.command(msgspec.structs.replace(command, id="cmd_again"))
    await bench.post("Peas", "b@x.example")
    await bench.settled(2)
    assert {topic.title for topic in await bench.topics()} == {"Beans", "Peas"}
