"""Bounces, reports of deliveries, and members who leave by mail."""

from datetime import UTC, datetime

from postroom_contract.codec import encode
from postroom_contract.commands import LeaveForum, RecordBounce
from postroom_contract.events import DeliveryReported, DeliveryResult, subject_of
from postroom_contract.forum import Deliveries, ListMembers
from postroom_mail.tokens import sign
from postroom_runtime.messages import Publication
from support.waiting import eventually

ACCOUNT, FORUM = "acc_test", "frm_garden"


async def posted(bench):
    """A post with two copies; its topic, post and chunk."""
    await bench.stack.start("forum-bridge")
    await bench.make_forum("ben@example.net", "cora@example.net")
    await bench.post("Beans", "a@x.example")
    await bench.settled(1)
    (topic,) = await bench.topics()
    (post,) = await bench.posts(topic.id)
    (chunk,) = await bench.chunks()
    return topic, post, chunk


async def report(bench, chunk, number, *states, account=ACCOUNT):
    event = DeliveryReported(
        id=f"evt_report{number}", time=datetime.now(tz=UTC), account=account, scope=FORUM,
        about=chunk.chunk, source="smtp", correlation="c", causation="c", outbox=chunk.outbox,
        origin=chunk.origin, subject="Beans", message_id="a@x.example", chunk=chunk.chunk,
        attempt=1, next_attempt_at=None,
        results=tuple(
            DeliveryResult(
                recipient=one.address, state=state, reply=f"reply {number}", serial=one.serial
            )
            for one, state in zip(chunk.recipients, states, strict=False)
        ),
    )  # fmt: skip
    await (await bench.bus("smtp")).publish(Publication(subject_of(event), encode(event), event.id))


async def token_command(bench, kind, number, token, forum=FORUM):
    raw = f"From: x@example.net\r\nSubject: {number}\r\n\r\n".encode()
    mail = await bench.deliver(raw, "" if kind is RecordBounce else "x@example.net")
    await bench.command(
        kind(id=f"cmd_{number}", account=ACCOUNT, correlation=mail.id, causation=mail.id,
             forum=forum, mail=mail, token=token)
    )  # fmt: skip


def token_of(address):
    return address.partition("+")[2].partition("@")[0]


async def deliveries(bench, topic):
    (post,) = await bench.posts(topic.id)
    return post.deliveries


async def test_reports_move_a_copy_to_its_end_and_no_further(bench):
    topic, _, chunk = await posted(bench)

    await report(bench, chunk, 1, "deferred", "delivered")
    await eventually(lambda: is_now(bench, topic, Deliveries(deferred=1, delivered=1)))
    await report(bench, chunk, 2, "delivered", "deferred", account="acc_other")
    await report(bench, chunk, 3, "delivered", "deferred")
    await eventually(lambda: is_now(bench, topic, Deliveries(delivered=2)))
    reply = await bench.sql("SELECT reply FROM forum.delivery ORDER BY serial LIMIT 1")
    assert reply == "reply 3"


async def is_now(bench, topic, wanted):
    return await deliveries(bench, topic) == wanted


async def test_a_bounce_fails_its_copy_for_good(bench):
    topic, _, chunk = await posted(bench)
    first, second = chunk.recipients
    await report(bench, chunk, 1, "delivered", "delivered")
    await eventually(lambda: is_now(bench, topic, Deliveries(delivered=2)))

    for number, token in enumerate(
        (token_of(first.sender), token_of(first.sender), None, "b1-aa-bb", token_of(second.places["reply_to"]))
    ):  # fmt: skip
        await token_command(bench, RecordBounce, f"bounce{number}", token)
    await token_command(bench, RecordBounce, "elsewhere", token_of(second.sender), "frm_other")
    await bench.idle()

    assert await deliveries(bench, topic) == Deliveries(delivered=1, failed=1)
    await report(bench, chunk, 2, "delivered")
    await report(bench, chunk, 3, "delivered")
    await bench.idle()
    assert await deliveries(bench, topic) == Deliveries(delivered=1, failed=1)
    assert await bench.sql("SELECT reply FROM forum.delivery WHERE state = 'failed'") == "bounced"
    assert await bench.sql("SELECT count(*) FROM forum.bounce") == 2
    assert await bench.dead() == []


async def test_a_member_leaves_by_mail_with_the_right_token(bench):
    _, _, chunk = await posted(bench)
    first, second = chunk.recipients
    await token_command(bench, LeaveForum, "wrong", token_of(first.sender))
    await token_command(bench, LeaveForum, "none", None)
    await token_command(
        bench, LeaveForum, "elsewhere", token_of(first.places["unsubscribe_mailto"]), "frm_other"
    )
    unknown = await bench.sql("SELECT max(serial) + 1 FROM forum.delivery")
    await token_command(bench, LeaveForum, "unknown", sign(bench.keys, "u", unknown))
    await token_command(bench, LeaveForum, "right", token_of(second.places["unsubscribe_mailto"]))
    await bench.idle()

    members = (await bench.ask(ListMembers(account=ACCOUNT, forum=FORUM))).data
    assert [one.email for one in members] == [first.address]
    (left,) = await eventually(lambda: bench.events("member.left"))
    assert left.email == second.address
