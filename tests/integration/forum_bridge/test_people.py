"""People join, leave and run forums; what they may is decided where the forum is."""

import msgspec
import pytest

from postroom_contract import forum
from postroom_contract.codec import decode
from postroom_contract.commands import SilencePerson
from postroom_contract.forum import Asker, Problem
from postroom_contract.membership import (
    ChangeForum,
    ChangeMember,
    CloseTopic,
    JoinForum,
    ModeratePost,
    QuitForum,
    ReadForum,
    RemoveMember,
)
from postroom_runtime.messages import AnsweredError

ACCOUNT, FORUM = "acc_test", "frm_garden"
ADMIN = Asker(email="admin@example.org", administrator=True)
ANN, BEN, CORA = (Asker(email=f"{name}@example.net") for name in ("ann", "ben", "cora"))


async def refused(bench, request):
    with pytest.raises(AnsweredError) as caught:
        await bench.ask(request)
    return decode(caught.value.payload, Problem).code


def of(kind, asker, **values):
    """A question about the forum."""
    return kind(account=ACCOUNT, asker=asker, **{"forum": FORUM, **values})


async def settings(bench, **values):
    found = await bench.ask(of(ReadForum, ADMIN))
    asked = ChangeForum(
        account=ACCOUNT, asker=ADMIN, forum=FORUM, version=found.version, name=found.name,
        description=found.description, joining=found.joining, visible=found.visible,
    )  # fmt: skip
    return await bench.ask(msgspec.structs.replace(asked, **values))


async def member(bench, asker):
    page = await bench.ask(of(forum.ListMembers, ADMIN, search=asker.email))
    return page.data[0]


async def moderator(bench, asker):
    await bench.ask(of(forum.AddMember, ADMIN, email=asker.email, role="moderator"))


async def test_joining_is_the_membership_that_was_added_before(bench):
    await bench.stack.start("forum-bridge")
    await bench.make_forum("Ben@Example.net")
    joined = await bench.ask(of(JoinForum, BEN, name="Ben", delivery="none"))
    assert (joined.members, joined.part.delivery, joined.part.role) == (1, "none", "member")
    assert not joined.runs

    left = await bench.ask(of(QuitForum, BEN))
    assert (left.members, left.part) == (0, None)
    assert (await bench.ask(of(QuitForum, BEN))).part is None
    back = await bench.ask(of(JoinForum, BEN))
    assert back.part.delivery == "none", "settings are kept"
    await bench.settled(0)
    assert len(await bench.events("member.joined")) == 2
    assert len(await bench.events("member.left")) == 1
    (changed,) = await bench.events("member.changed")
    assert (changed.email, changed.delivery) == ("ben@example.net", "none")
    assert await refused(bench, of(JoinForum, None)) == "invalid"


async def test_a_forum_by_invitation_and_one_that_hides(bench):
    await bench.stack.start("forum-bridge")
    await bench.make_forum("ben@example.net")
    await bench.post("Beans", "a@x.example")
    await bench.settled(1)
    (topic,) = await bench.topics()
    await settings(bench, joining="invite")
    assert await refused(bench, of(JoinForum, CORA)) == "forbidden"
    assert await refused(bench, of(forum.ListMembers, BEN)) == "forbidden"

    await settings(bench, visible="members")
    posts = forum.ListPosts(account=ACCOUNT, asker=CORA, topic=topic.id)
    write = forum.WritePost(
        account=ACCOUNT, asker=CORA, id="pst_1", author_name="C", author_email=CORA.email,
        text="x", topic=topic.id,
    )  # fmt: skip
    hidden = (
        of(ReadForum, CORA), of(JoinForum, CORA), of(QuitForum, CORA), of(forum.ListTopics, CORA),
        of(forum.ListMembers, CORA), of(forum.AddMember, CORA, email="x@example.net"), posts, write,
        of(RemoveMember, CORA, member=(await member(bench, BEN)).id),
        of(ChangeForum, CORA, version=3, name="x", description="", joining="open",
           visible="account"),
        CloseTopic(account=ACCOUNT, asker=CORA, topic=topic.id, closed=True),
        msgspec.structs.replace(write, topic=None, forum=FORUM, subject="x"),
    )  # fmt: skip
    for request in hidden:
        assert await refused(bench, request) == "not_found", request
    assert (await bench.ask(forum.ListForums(account=ACCOUNT, asker=CORA))).data == ()
    for asker in (BEN, ADMIN, None):
        (seen,) = (await bench.ask(forum.ListForums(account=ACCOUNT, asker=asker))).data
        assert seen.visible == "members"
    assert (await bench.ask(msgspec.structs.replace(posts, asker=BEN))).data[0].text == "Hello\n"

    await bench.ask(of(QuitForum, BEN))
    assert await refused(bench, of(ReadForum, BEN)) == "not_found"
    assert (await bench.ask(of(JoinForum, BEN))).part is not None, "the door is open for a week"
    await bench.ask(of(RemoveMember, ADMIN, member=(await member(bench, BEN)).id))
    assert await refused(bench, of(JoinForum, BEN)) == "not_found"


async def test_settings_have_a_version(bench):
    await bench.stack.start("forum-bridge")
    await bench.make_forum()
    changed = await settings(bench, name="Garden club", description=" All that grows. ")
    assert (changed.version, changed.name) == (2, "Garden club")
    assert changed.description == "All that grows."
    stale = of(
        ChangeForum, ADMIN, version=1, name="x", description="", joining="open", visible="account"
    )
    assert await refused(bench, stale) == "stale"
    for wrong in ({"name": " "}, {"description": "x" * 1001}):
        assert await refused(bench, msgspec.structs.replace(stale, version=2, **wrong)) == "invalid"
    assert await refused(bench, msgspec.structs.replace(stale, asker=BEN)) == "forbidden"
    await bench.settled(0)
    (event,) = await bench.events("forum.changed")
    assert (event.name, event.visible) == ("Garden club", "account")


async def test_a_moderator_manages_members_but_gives_no_roles(bench):
    await bench.stack.start("forum-bridge")
    await bench.make_forum("ann@example.net", "cora@example.net")
    await moderator(bench, BEN)
    assert (await bench.ask(of(ReadForum, BEN))).runs
    added = await bench.ask(of(forum.AddMember, BEN, email="dan@example.net", name="Dan"))
    found = await bench.ask(of(forum.ListMembers, BEN, search="DAN"))
    assert found.data == (added,)
    changed = await bench.ask(of(ChangeMember, BEN, member=added.id, delivery="none"))
    assert changed.delivery == "none"
    removed = await bench.ask(of(RemoveMember, BEN, member=added.id))
    assert removed.state == "left"
    assert await refused(bench, of(RemoveMember, BEN, member=added.id)) == "not_found"
    again = await bench.ask(of(forum.AddMember, BEN, email="dan@example.net", delivery="none"))
    assert (again.state, again.name, again.delivery) == ("active", "Dan", "none")

    cora = (await member(bench, CORA)).id
    for request in (
        of(ChangeMember, BEN, member=cora, role="moderator"),
        of(forum.AddMember, BEN, email="eve@example.net", role="moderator"),
        of(RemoveMember, CORA, member=added.id),
        of(ChangeMember, CORA, member=cora, delivery="none"),
    ):
        assert await refused(bench, request) == "forbidden", request
    promoted = await bench.ask(of(ChangeMember, ADMIN, member=cora, role="moderator"))
    assert promoted.role == "moderator"
    assert await refused(bench, of(RemoveMember, BEN, member=cora)) == "forbidden"
    demoted = await bench.ask(of(ChangeMember, ADMIN, member=cora, role="member"))
    assert demoted.role == "member"


async def test_a_removed_post_is_a_line_to_others_and_comes_back(bench):
    await bench.stack.start("forum-bridge")
    await bench.make_forum("ann@example.net")
    await moderator(bench, BEN)
    await bench.post("Beans", "a@x.example", "Buy my pills")
    await bench.settled(1)
    (topic,) = await bench.topics()
    (post,) = await bench.posts(topic.id)

    def ask(asker, state):
        return ModeratePost(account=ACCOUNT, asker=asker, post=post.id, state=state, by="Ben")

    async def seen(asker):
        page = forum.ListPosts(account=ACCOUNT, asker=asker, topic=topic.id)
        return (await bench.ask(page)).data[0]

    assert await refused(bench, ask(ANN, "removed")) == "forbidden"
    assert await refused(bench, ask(BEN, "held")) == "invalid"
    for _ in range(2):
        assert (await bench.ask(ask(BEN, "removed"))).state == "removed"
    others, own = await seen(ANN), await seen(BEN)
    assert (others.state, others.text, others.author_email, others.removed_by, others.mail) == (
        "removed", "", "", "", None,
    )  # fmt: skip
    assert (own.text, own.removed_by) == ("Buy my pills\n", "Ben")
    assert (await bench.topics())[0].posts == 0

    assert (await bench.ask(ask(BEN, "shown"))).state == "shown"
    assert (await seen(ANN)).text == "Buy my pills\n"
    await bench.settled(1)
    states = [event.about for event in await bench.events("post.moderated")]
    assert states == [post.id, post.id]
    assert len(await bench.chunks()) == 1, "it went out once"


async def test_a_mail_to_a_closed_topic_waits_for_the_moderators(bench):
    await bench.stack.start("forum-bridge")
    await bench.make_forum("ann@example.net")
    await moderator(bench, BEN)
    await bench.post("Beans", "a@x.example")
    await bench.settled(1)
    (topic,) = await bench.topics()
    close = CloseTopic(account=ACCOUNT, asker=BEN, topic=topic.id, closed=True)
    assert await refused(bench, msgspec.structs.replace(close, asker=ANN)) == "forbidden"
    for _ in range(2):
        assert (await bench.ask(close)).closed
    write = forum.WritePost(
        account=ACCOUNT, asker=ANN, id="pst_1", author_name="A", author_email=ANN.email,
        text="x", topic=topic.id,
    )  # fmt: skip
    assert await refused(bench, write) == "conflict"

    await bench.post("Re: Beans", "b@x.example", "Too late", In_Reply_To="<a@x.example>")
    await bench.idle()
    await bench.settled(1)
    page = forum.ListPosts(account=ACCOUNT, asker=ANN, topic=topic.id)
    assert len((await bench.ask(page)).data) == 1
    assert (await bench.topics())[0] == msgspec.structs.replace(topic, closed=True)
    held = (await bench.ask(msgspec.structs.replace(page, asker=BEN))).data[1]
    assert (held.state, held.text) == ("held", "Too late\n")
    assert await bench.sql("SELECT outcome FROM forum.mail WHERE post = $1", held.id) == "held"
    assert len(await bench.chunks()) == 1

    show = ModeratePost(account=ACCOUNT, asker=BEN, post=held.id, state="shown", by="Ben")
    assert (await bench.ask(show)).state == "shown"
    await bench.settled(2)
    assert (await bench.ask(page)).data[1].text == "Too late\n"
    assert len(await bench.chunks()) == 2
    assert (await bench.topics())[0].posts == 2
    written = await bench.ask(msgspec.structs.replace(write, asker=BEN, id="pst_2"))
    assert written.state == "shown", "who runs it may write in it"
    closed = [event.closed for event in await bench.events("topic.changed")]
    assert closed == [True]


def silence(number, email, *, silent):
    return SilencePerson(
        id=f"cmd_{number}", account=ACCOUNT, correlation="usr_1", causation="usr_1", email=email,
        silent=silent, version=number,
    )  # fmt: skip


async def test_a_deactivated_user_gets_no_mail_until_they_are_back(bench):
    await bench.stack.start("forum-bridge")
    await bench.make_forum("ben@example.net")
    await bench.command(silence(2, "ben@example.net", silent=True))
    await bench.command(silence(3, "cora@example.net", silent=True))
    await bench.idle()
    await bench.command(silence(1, "ben@example.net", silent=False))  # late
    await bench.idle()
    await bench.ask(of(forum.AddMember, None, email="Cora@example.net"))
    assert (await member(bench, BEN)).silenced
    await bench.post("Beans", "a@x.example")
    await bench.settled(1)
    assert await bench.chunks() == []

    await bench.command(silence(4, "ben@example.net", silent=False))
    await bench.idle()
    assert (await member(bench, BEN)).delivery == "each", "as it was"
    await bench.post("Peas", "b@x.example")
    await bench.settled(2)
    (chunk,) = await bench.chunks()
    assert [one.address for one in chunk.recipients] == ["ben@example.net"]


@pytest.mark.parametrize("charset", ["koi8-r", "windows-1251"])
async def test_a_mail_that_names_no_charset_is_read_in_the_mailboxs(bench, charset):
    await bench.stack.start("forum-bridge")
    await bench.make_forum("ben@example.net")
    words, title, name = "Когда высаживать помидоры?", "Рассада", "Анна"
    raw = "\r\n".join(
        [f"From: {name} <ann@example.net>", "To: garden@example.org", f"Subject: {title}",
         "Message-ID: <r@x.example>", "", words, ""]
    ).encode(charset)  # fmt: skip
    await bench.post_raw(raw, "ann@example.net", charset=charset)
    await bench.settled(1)
    (topic,) = await bench.topics()
    (post,) = await bench.posts(topic.id)
    assert (topic.title, post.text, post.author_name) == (title, words + "\n", name)


async def test_a_closed_topic_that_is_joined_to_another_stays_closed(bench):
    await bench.stack.start("forum-bridge")
    await bench.make_forum("ben@example.net")
    await bench.post("Beans", "a@x.example")
    await bench.settled(1)
    await bench.post("Re: Beans", "c@x.example", In_Reply_To="<b@x.example>")
    await bench.settled(2)
    _, lower = sorted(await bench.topics(), key=lambda one: one.started_at)
    await bench.ask(CloseTopic(account=ACCOUNT, asker=ADMIN, topic=lower.id, closed=True))
    await bench.post("Re: Beans", "b@x.example", In_Reply_To="<a@x.example>")
    await bench.idle()
    (joined,) = await bench.topics()
    assert (joined.closed, joined.posts, joined.title) == (True, 2, "Beans")
    assert sorted(post.state for post in await bench.posts(joined.id)) == ["held", "shown", "shown"]
