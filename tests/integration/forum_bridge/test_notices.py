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


async def token_command(bench, kind, number, token, forum=FORUM, raw=b""):
    raw = raw or f"From: x@example.net\r\nSubject: {number}\r\n\r\n".encode()
    mail = await bench.deliver(raw, "" if kind is RecordBounce else "x@example.net")
    await bench.command(
        kind(id=f"cmd_{number}", account=ACCOUNT, correlation=mail.id, causation=mail.id,
             forum=forum, mail=mail, token=token)
    )  # fmt: skip
    return mail.id


def returned(number, recipient, action, status, words="gone"):
    """A delivery status; each number is another mail."""
    return f"""From: mailer-daemon@mx.example.net
Subject: Undelivered {number}
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary=x

--x
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.net

Final-Recipient: rfc822; {recipient}
Action: {action}
Status: {status}
Diagnostic-Code: smtp; {words}

--x--
""".replace("\n", "\r\n").encode()


def complaint(number, token):
    return f"""From: feedback@isp.example
Subject: Complaint {number}
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary=x

--x
Content-Type: message/feedback-report

Feedback-Type: abuse
Original-Rcpt-To: cora@example.net

--x
Content-Type: message/rfc822

List-Unsubscribe: <mailto:garden+{token}@example.org>
Subject: Beans

Hello
--x--
""".replace("\n", "\r\n").encode()


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


async def kinds(bench):
    return await bench.sql("SELECT array_agg(kind ORDER BY at, mail) FROM forum.bounce")


async def test_a_bounce_turns_its_copy_for_good_and_says_so_once(bench):
    topic, post, chunk = await posted(bench)
    first, _ = chunk.recipients
    await report(bench, chunk, 1, "delivered", "delivered")
    await eventually(lambda: is_now(bench, topic, Deliveries(delivered=2)))
    raw = returned(1, first.address, "failed", "5.1.1", "550 5.1.1 no such user")

    mail = await token_command(bench, RecordBounce, "bounce", token_of(first.sender), raw=raw)
    await bench.idle()
    assert await deliveries(bench, topic) == Deliveries(delivered=1, bounced=1)
    again = await token_command(bench, RecordBounce, "again", token_of(first.sender), raw=raw)
    assert again == mail
    await report(bench, chunk, 2, "delivered")
    await bench.idle()
    assert await deliveries(bench, topic) == Deliveries(delivered=1, bounced=1)
    reply = await bench.sql("SELECT reply FROM forum.delivery WHERE state = 'bounced'")
    assert reply == "550 5.1.1 no such user"
    (event,) = await eventually(lambda: told_by(bench, mail))
    assert (event.scope, event.origin, event.about) == (FORUM, post.id, mail)
    assert (event.subject, event.message_id) == ("Beans", "a@x.example")
    assert event.results == (
        DeliveryResult(
            recipient=first.address, state="bounced", reply="550 5.1.1 no such user",
            serial=first.serial, status="5.1.1",
        ),
    )  # fmt: skip
    assert await bench.dead() == []


async def told_by(bench, mail):
    return [one for one in await bench.events("delivery.reported") if one.mail == mail]


async def test_only_a_token_of_ours_is_believed(bench):
    topic, _, chunk = await posted(bench)
    first, second = chunk.recipients
    raw = returned(1, first.address, "failed", "5.1.1")
    reply = token_of(second.places["reply_to"])
    for number, token in enumerate((None, "b1-aa-bb", reply)):
        await token_command(bench, RecordBounce, f"untold{number}", token, raw=raw)
    await token_command(bench, RecordBounce, "elsewhere", token_of(second.sender), "frm_other", raw)
    await token_command(bench, RecordBounce, "by_address", None, raw=complaint(1, "b1-aa-bb"))
    await token_command(
        bench, RecordBounce, "other_forum", None, "frm_other", complaint(2, token_of(first.sender))
    )
    await bench.idle()
    assert await deliveries(bench, topic) == Deliveries(pending=2)
    assert await kinds(bench) is None
    assert await bench.dead() == []


async def test_what_is_no_bounce_for_good_is_told_apart(bench):
    topic, _, chunk = await posted(bench)
    first, _ = chunk.recipients
    token, ben = token_of(first.sender), first.address
    away = f"From: {ben}\r\nAuto-Submitted: auto-replied\r\nSubject: Away\r\n\r\nI am away.\r\n"
    for number, (raw, kind) in enumerate((
        (away.encode(), "answer"),
        (returned(1, ben, "delayed", "4.4.1"), "delayed"),
        (returned(2, ben, "delivered", "2.0.0"), "delivered"),
        (b"From: a@b.example\r\nSubject: Hello\r\n\r\nHow are you?\r\n", "unknown"),
    )):  # fmt: skip
        mail = await token_command(bench, RecordBounce, f"no{number}", token, raw=raw)
        await bench.idle()
        assert await bench.sql("SELECT kind FROM forum.bounce WHERE mail = $1", mail) == kind
    assert await deliveries(bench, topic) == Deliveries(pending=2)

    mail = await token_command(
        bench, RecordBounce, "soft", token, raw=returned(3, ben, "failed", "4.4.7", "too late")
    )
    (event,) = await eventually(lambda: told_by(bench, mail))
    assert (event.results[0].state, event.results[0].status) == ("bounced", "4.4.7")
    assert await deliveries(bench, topic) == Deliveries(pending=1, bounced=1)


async def test_a_complaint_to_the_forum_is_found_by_the_token_within(bench):
    topic, _, chunk = await posted(bench)
    _, second = chunk.recipients
    token = token_of(second.places["unsubscribe_mailto"])
    mail = await token_command(bench, RecordBounce, "spam", None, raw=complaint(1, token))
    (event,) = await eventually(lambda: told_by(bench, mail))
    assert (event.results[0].state, event.results[0].recipient) == ("complained", second.address)
    # What comes later does not unsay it.
    raw = returned(1, second.address, "failed", "5.1.1")
    later = await token_command(bench, RecordBounce, "late", token_of(second.sender), raw=raw)
    await bench.idle()
    assert await deliveries(bench, topic) == Deliveries(pending=1, complained=1)
    assert await told_by(bench, later) == []


async def test_a_copy_that_was_not_sent_is_counted_as_that(bench):
    topic, _, chunk = await posted(bench)
    await report(bench, chunk, 1, "suppressed", "delivered")
    await eventually(lambda: is_now(bench, topic, Deliveries(suppressed=1, delivered=1)))


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
