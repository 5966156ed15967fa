"""The way of a mail through the forum-bridge, with real Postgres and NATS under its own rights."""

import email
import email.policy

import pytest

from postroom_contract import forum
from postroom_contract.codec import decode
from postroom_contract.forum import Problem
from postroom_mail import template
from postroom_runtime.messages import AnsweredError

ACCOUNT, FORUM = "acc_test", "frm_garden"


def problem(caught) -> Problem:
    return decode(caught.value.payload, Problem)


def read_copy(copy: forum.Copy):
    return email.message_from_bytes(copy.raw, policy=email.policy.default)


async def test_a_mail_becomes_a_post_and_goes_to_everyone_but_its_author(bench):
    await bench.stack.start("forum-bridge")
    await bench.make_forum("ann@Example.net", "ben@example.net", "cora@example.com")

    await bench.post("Tomatoes", "first@example.net", "They are ripe.")
    await bench.settled(1)

    (topic,) = await bench.topics()
    assert (topic.title, topic.posts, topic.authors, topic.started_by) == ("Tomatoes", 1, 1, "Ann")
    (post,) = await bench.posts(topic.id)
    assert (post.text.strip(), post.message_id) == ("They are ripe.", "first@example.net")
    assert post.deliveries == forum.Deliveries(pending=2)

    (rendered,) = await bench.outbox()
    assert (rendered.origin, rendered.message_id) == (post.id, "first@example.net")
    chunks = await bench.chunks()
    assert [chunk.domain for chunk in chunks] == ["example.com", "example.net"]
    assert {one.address for chunk in chunks for one in chunk.recipients} == {
        "ben@example.net",
        "cora@example.com",
    }
    assert {chunk.outbox for chunk in chunks} == {rendered.id}
    (created,) = await bench.events("post.created")
    assert (created.about, created.topic, created.recipients) == (post.id, topic.id, 2)
    assert len(await bench.events("member.joined")) == 3
    assert await bench.dead() == []

    one = chunks[0].recipients[0]
    raw = template.fill(
        template.Template(rendered.template.segments, rendered.template.places), one.places
    )
    copy = await bench.ask(forum.ReadCopy(account=ACCOUNT, serial=one.serial))
    assert (copy.sender, copy.recipient, copy.raw) == (one.sender, one.address, raw)
    mail = read_copy(copy)
    assert mail["Message-ID"] == "<first@example.net>"
    assert mail["Subject"] == "[Garden] Tomatoes"
    assert mail["Archived-At"] == f"<{bench.stack.base_url}/topics/{topic.id}#{post.id}>"
    assert mail["List-Id"] == "Garden <garden.example.org>"
    assert "Ann via Garden" in mail["From"]


async def test_a_post_written_on_the_web_goes_out_and_threads(bench):
    await bench.stack.start("forum-bridge")
    await bench.make_forum("ann@example.net", "ben@example.net")
    await bench.post("Tomatoes", "first@example.net")
    await bench.settled(1)
    (topic,) = await bench.topics()

    reply = forum.WritePost(
        account=ACCOUNT, id="pst_web", author_name="Ben", author_email="Ben@Example.net",
        text="Mine are not.", topic=topic.id,
    )  # fmt: skip
    made = await bench.ask(reply)
    again = await bench.ask(reply)
    await bench.settled(2)

    assert made == again
    assert (made.subject, made.message_id) == ("Re: Tomatoes", "pst_web@example.org")
    first, second = await bench.posts(topic.id)
    assert second.parent == first.id
    (chunk,) = [one for one in await bench.chunks() if one.origin == "pst_web"]
    (to,) = chunk.recipients
    assert to.address == "ann@example.net"
    mail = read_copy(await bench.ask(forum.ReadCopy(account=ACCOUNT, serial=to.serial)))
    assert mail["In-Reply-To"] == "<first@example.net>"
    assert mail["References"] == "<first@example.net>"

    new = forum.WritePost(
        account=ACCOUNT, id="pst_new", author_name="Ben", author_email="ben@example.net",
        text="Who has some?", forum=FORUM, subject="Seeds",
    )  # fmt: skip
    await bench.ask(new)
    assert [one.title for one in await bench.topics()] == ["Seeds", "Tomatoes"]


async def test_an_old_mail_becomes_a_post_of_its_own_date_and_nobody_gets_a_copy(bench):
    """An old mailbox or archive is connected: its members have had these mails long ago."""
    await bench.stack.start("forum-bridge")
    await bench.make_forum("ann@example.net", "ben@example.net")
    date = "Tue, 3 Feb 2009 10:00:00 +0000"
    await bench.post("Old", "old@example.net", history=True, Date=date)
    await bench.post("Re: Old", "new@example.net", In_Reply_To="<old@example.net>")
    await bench.settled(2)
    (topic,) = await bench.topics()
    old, new = await bench.posts(topic.id)
    assert (old.created_at.year, old.deliveries) == (2009, forum.Deliveries())
    assert new.deliveries == forum.Deliveries(pending=1)
    told = {one.about: one.recipients for one in await bench.events("post.created")}
    assert told == {old.id: 0, new.id: 1}


async def test_a_reply_by_token_lands_at_its_post_only_from_the_member_it_was_sent_to(bench):
    await bench.stack.start("forum-bridge")
    await bench.make_forum("ann@example.net", "ben@example.net")
    await bench.post("Tomatoes", "first@example.net")
    await bench.settled(1)
    (chunk,) = await bench.chunks()
    token = chunk.recipients[0].places["reply_to"].partition("+")[2].partition("@")[0]

    await bench.post("Yes", "second@example.net", sender="Ben <ben@example.net>", token=token)
    await bench.post("No", "third@example.net", sender="Eve <eve@example.net>", token=token)
    await bench.settled(3)

    topics = {topic.title: topic for topic in await bench.topics()}
    assert topics["Tomatoes"].posts == 2
    assert topics["No"].posts == 1
    first, second = await bench.posts(topics["Tomatoes"].id)
    assert second.parent == first.id


async def test_robots_and_known_mails_are_noted_and_not_posted(bench):
    (handle,) = await bench.stack.start("forum-bridge")
    await bench.make_forum("ben@example.net")
    await bench.post("Tomatoes", "first@example.net")
    await bench.post("Away", "away@example.net", Auto_Submitted="auto-replied")
    await bench.post("List", "list@example.net", List_Id="<other.example>")
    await bench.post("Bounce", "bounce@example.net", sender="")
    await bench.post("Tomatoes", "first@example.net", Received="another way")
    await bench.settled(1)
    await bench.idle()

    (topic,) = await bench.topics()
    assert topic.posts == 1
    assert len(await bench.chunks()) == 1
    outcomes = await bench.sql("SELECT array_agg(outcome ORDER BY outcome) FROM forum.mail")
    assert outcomes == ["known", "posted", "robot", "robot", "robot"]
    assert "Auto-Submitted is auto-replied" in handle.log


async def test_our_own_copy_that_comes_back_is_not_posted(bench):
    await bench.stack.start("forum-bridge")
    await bench.make_forum("ben@example.net")
    await bench.post("Tomatoes", "first@example.net")
    await bench.settled(1)
    (chunk,) = await bench.chunks()
    serial = chunk.recipients[0].serial
    copy = read_copy(await bench.ask(forum.ReadCopy(account=ACCOUNT, serial=serial)))

    # A system between has taken off what marks a list's mail.
    await bench.post("Tomatoes", "first@example.net", Postroom_Loop=copy["Postroom-Loop"])
    await bench.idle()

    assert await bench.sql("SELECT outcome FROM forum.mail ORDER BY handled_at DESC") == "robot"


async def test_leaving_takes_the_token_of_ones_own_copy(bench):
    await bench.stack.start("forum-bridge")
    await bench.make_forum("ben@example.net", "cora@example.net")
    await bench.post("Tomatoes", "first@example.net")
    await bench.settled(1)
    (chunk,) = await bench.chunks()
    tokens = {
        one.address: one.places["unsubscribe_url"].rpartition("/")[2] for one in chunk.recipients
    }
    ben = tokens["ben@example.net"]
    for index in range(len(ben)):
        flipped = ben[:index] + ("a" if ben[index] != "a" else "b") + ben[index + 1 :]
        with pytest.raises(AnsweredError) as caught:
            await bench.ask(forum.Leave(account="", token=flipped))
        assert problem(caught).code == "not_found"
    reply = chunk.recipients[0].places["reply_to"].partition("+")[2].partition("@")[0]
    with pytest.raises(AnsweredError):
        await bench.ask(forum.Leave(account="", token=reply))

    shown = await bench.ask(forum.FindLeaver(account="", token=ben))
    assert (shown.email, shown.state) == ("ben@example.net", "active")
    for _ in range(2):
        gone = await bench.ask(forum.Leave(account="", token=ben.upper()))
        assert (gone.email, gone.state) == ("ben@example.net", "left")

    members = await bench.ask(forum.ListMembers(account=ACCOUNT, forum=FORUM))
    assert [one.email for one in members.data] == ["cora@example.net"]
    await bench.post("Beans", "beans@example.net")
    await bench.settled(2)
    to = [one.address for chunk in (await bench.chunks())[1:] for one in chunk.recipients]
    assert to == ["cora@example.net"]
    (left,) = await bench.events("member.left")
    assert left.email == "ben@example.net"

    back = await bench.ask(forum.AddMember(account=ACCOUNT, forum=FORUM, email="Ben@example.net"))
    assert back.state == "active"
